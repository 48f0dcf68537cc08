"""Programs that are virtual devices: started as a device's emulator, they import no other part."""
