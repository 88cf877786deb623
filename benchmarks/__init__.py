"""SManager's speed, beside a bare asyncio echo and a thread-per-connection `cmd.Cmd` in the same run."""
