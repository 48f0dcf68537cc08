"""Job and device text -> JobSpec and DeviceSpec -> Plan. No database, no hardware."""
