//! Every name that node metrics carry, in one table: OpenTelemetry's semantic conventions
//! v1.44.0, and, where they have none yet (load averages, pressure), the names that the
//! collector's rules for nodes expect.

/// How a value behaves over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A value of the moment that means nothing when added up.
    Gauge,
    /// A value of the moment that adds up over its attributes.
    Amount,
    /// A total since the boot.
    Total,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) shape: Shape,
    pub(super) help: &'static str,
}

const fn gauge(name: &'static str, unit: &'static str, help: &'static str) -> Name {
    Name {
        name,
        unit,
        shape: Shape::Gauge,
        help,
    }
}

const fn amount(name: &'static str, unit: &'static str, help: &'static str) -> Name {
    Name {
        name,
        unit,
        shape: Shape::Amount,
        help,
    }
}

const fn total(name: &'static str, unit: &'static str, help: &'static str) -> Name {
    Name {
        name,
        unit,
        shape: Shape::Total,
        help,
    }
}

pub(super) const CPU_TIME: Name = total(
    "system.cpu.time",
    "s",
    "Seconds each logical processor spent in each mode",
);
pub(super) const CPU_LOGICAL_COUNT: Name = amount(
    "system.cpu.logical.count",
    "{cpu}",
    "Logical processors that are online",
);
pub(super) const LOAD_1M: Name = gauge(
    "system.cpu.load_average.1m",
    "{thread}",
    "Tasks that ran or waited, averaged over 1 minute",
);
pub(super) const LOAD_5M: Name = gauge(
    "system.cpu.load_average.5m",
    "{thread}",
    "Tasks that ran or waited, averaged over 5 minutes",
);
pub(super) const LOAD_15M: Name = gauge(
    "system.cpu.load_average.15m",
    "{thread}",
    "Tasks that ran or waited, averaged over 15 minutes",
);
pub(super) const PSI_TIME: Name = total(
    "system.linux.psi.time",
    "s",
    "Seconds in which some tasks, or all at once, waited for a resource",
);

pub(super) const MEMORY_USAGE: Name = amount("system.memory.usage", "By", "Memory by its use");
pub(super) const MEMORY_LIMIT: Name = amount(
    "system.memory.limit",
    "By",
    "Memory that the kernel can give away",
);
pub(super) const MEMORY_AVAILABLE: Name = amount(
    "system.memory.linux.available",
    "By",
    "Memory that can be had without swapping, as the kernel estimates",
);
pub(super) const MEMORY_SHARED: Name = amount(
    "system.memory.linux.shared",
    "By",
    "Memory in shared segments and tmpfs; it is part of what is used",
);
pub(super) const MEMORY_SLAB: Name = amount(
    "system.memory.linux.slab.usage",
    "By",
    "Memory of the kernel's own objects",
);
pub(super) const PAGING_USAGE: Name = amount("system.paging.usage", "By", "Swap space by its use");
pub(super) const PAGING_FAULTS: Name = total(
    "system.paging.faults",
    "{fault}",
    "Page faults; major ones waited for a disk",
);
pub(super) const PAGING_OPERATIONS: Name = total(
    "system.paging.operations",
    "{operation}",
    "Pages swapped in and out",
);

pub(super) const DISK_IO: Name = total("system.disk.io", "By", "Bytes read and written");
pub(super) const DISK_OPERATIONS: Name = total(
    "system.disk.operations",
    "{operation}",
    "Completed operations",
);
pub(super) const DISK_OPERATION_TIME: Name = total(
    "system.disk.operation_time",
    "s",
    "Seconds that operations took, added up over all of them",
);
pub(super) const DISK_IO_TIME: Name = total(
    "system.disk.io_time",
    "s",
    "Seconds in which the disk had something to do",
);
pub(super) const DISK_MERGED: Name = total(
    "system.disk.merged",
    "{operation}",
    "Operations merged into others before they reached the disk",
);
pub(super) const FILESYSTEM_USAGE: Name = amount(
    "system.filesystem.usage",
    "By",
    "File system space by its use",
);
pub(super) const FILESYSTEM_LIMIT: Name =
    amount("system.filesystem.limit", "By", "File system space");
pub(super) const FILESYSTEM_UTILIZATION: Name = gauge(
    "system.filesystem.utilization",
    "1",
    "Share of the space that ordinary users can have and that is used",
);

pub(super) const NETWORK_IO: Name =
    total("system.network.io", "By", "Bytes received and transmitted");
pub(super) const NETWORK_PACKETS: Name = total(
    "system.network.packet.count",
    "{packet}",
    "Packets received and transmitted",
);
pub(super) const NETWORK_ERRORS: Name =
    total("system.network.errors", "{error}", "Packets that failed");
pub(super) const NETWORK_DROPPED: Name = total(
    "system.network.packet.dropped",
    "{packet}",
    "Packets dropped for want of room, or unwanted",
);

pub(super) const UPTIME: Name = gauge("system.uptime", "s", "Seconds since the boot");
pub(super) const PROCESS_COUNT: Name = amount(
    "system.process.count",
    "{process}",
    "Processes by their state",
);
pub(super) const PROCESS_CREATED: Name =
    total("system.process.created", "{process}", "Processes started");

pub(super) const OS_TYPE: &str = "os.type";
pub(super) const CPU_MODE: &str = "cpu.mode";
pub(super) const CPU_NUMBER: &str = "cpu.logical_number";
pub(super) const PSI_RESOURCE: &str = "resource";
pub(super) const PSI_KIND: &str = "kind";
pub(super) const MEMORY_STATE: &str = "system.memory.state";
pub(super) const SLAB_STATE: &str = "system.memory.linux.slab.state";
pub(super) const PAGING_STATE: &str = "system.paging.state";
pub(super) const PAGING_FAULT_TYPE: &str = "system.paging.fault.type";
pub(super) const PAGING_DIRECTION: &str = "system.paging.direction";
pub(super) const DEVICE: &str = "system.device";
pub(super) const DISK_DIRECTION: &str = "disk.io.direction";
pub(super) const FILESYSTEM_STATE: &str = "system.filesystem.state";
pub(super) const FILESYSTEM_TYPE: &str = "system.filesystem.type";
pub(super) const FILESYSTEM_MODE: &str = "system.filesystem.mode";
pub(super) const FILESYSTEM_MOUNTPOINT: &str = "system.filesystem.mountpoint";
pub(super) const INTERFACE: &str = "network.interface.name";
pub(super) const NETWORK_DIRECTION: &str = "network.io.direction";
pub(super) const PROCESS_STATE: &str = "process.state";
