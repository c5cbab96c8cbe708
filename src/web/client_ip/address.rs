use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads an address as proxies write it, with or without brackets and a port.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, port) = bracketed.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return host.parse().ok().filter(|_| is_whole).map(|host: Ipv6Addr| host.into());
    }
    match text.split_once(':') {
        // After the first colon of an IPv6 address there is another one.
        Some((host, port)) if is_port(port) => host.parse().ok().map(|host: Ipv4Addr| host.into()),
        _ => text.parse().ok(),
    }
}

/// As in RFC 7239, section 6: a number, or a name that hides it.
fn is_port(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(is_name),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_brackets_and_a_port() {
        for (text, read) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:1", "192.0.2.1"),
            ("192.0.2.1:65535", "192.0.2.1"),
            ("192.0.2.1:_hidden-1.x", "192.0.2.1"),
            ("::", "::"),
            ("::1", "::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:DB8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]:_x", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ] {
            assert_eq!(address(text.as_bytes()), Some(read.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_almost_an_address_is_none() {
        for text in [
            "",
            "unknown",
            "_hidden",
            "example.org",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.01",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:123456",
            "192.0.2.1:_",
            "192.0.2.1 192.0.2.2",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "[fe80::1%eth0]",
            "fe80::1%1",
            "[]",
            "[",
            ":",
            "\u{661}.0.0.1",
        ] {
            assert_eq!(address(text.as_bytes()), None, "{text}");
        }
        assert_eq!(address(b"\xff"), None);
    }
}
