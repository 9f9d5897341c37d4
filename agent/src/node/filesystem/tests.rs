//! Which mounts are measured.

use super::*;

#[test]
fn a_device_is_measured_once_and_what_is_no_disk_never() {
    let text = "\
/dev/vda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
/dev/vda1 /var/lib/app/etc ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
tmpfs /run/lock tmpfs ro,noexec 0 0
/dev/vdb1 /srv/my\\040data xfs ro 0 0
/dev/vdc1 /srv/over ext4 rw 0 0
/dev/vdd1 /srv/over ext4 rw 0 0
/dev/vde1 /var/lib/docker/x ext4 rw 0 0
/dev/vdf1 /var/lib/dockers ext4 rw 0 0
short line
";
    let found = Filesystem::new(&NodeConfig::default()).mounts(text);
    let points: Vec<_> = found
        .iter()
        .map(|m| (m.device.as_str(), m.point.as_str(), m.read_only))
        .collect();
    assert_eq!(
        points,
        [
            ("/dev/vda1", "/", false),
            ("tmpfs", "/run", false),
            ("tmpfs", "/run/lock", true),
            ("/dev/vdd1", "/srv/over", false),
            ("/dev/vdb1", "/srv/my data", true),
            ("/dev/vdf1", "/var/lib/dockers", false),
        ]
    );
}

#[test]
fn escapes_that_are_none_are_kept() {
    for (text, expected) in [
        ("a\\040b\\134c", "a b\\c"),
        ("a\\", "a\\"),
        ("\\04", "\\04"),
        ("\\999é", "\\999é"),
        ("\\é", "\\é"),
    ] {
        assert_eq!(unescape(text), expected);
    }
}
