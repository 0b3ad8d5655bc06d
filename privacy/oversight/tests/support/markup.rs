//! Readers of what others read: markup and tables.

/// Elements that are opened and closed in turn: what a browser and an XML parser would both take.
pub fn well_formed(markup: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup;
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("a tag that ends");
        rest = after;
        if tag.starts_with('!') || tag.ends_with('/') || tag.starts_with("meta") {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closing tags match");
        } else {
            open.push(tag.split(' ').next().unwrap());
        }
        // Nothing within these is markup, and nothing in ours looks like it.
        if let Some(name) = ["style", "title", "desc"]
            .into_iter()
            .find(|name| tag.split(' ').next() == Some(*name))
        {
            let (_, after) = rest.split_once(&format!("</{name}>")).expect("closed");
            assert_eq!(open.pop(), Some(name));
            rest = after;
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// RFC 4180, as another program would read it.
pub fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let record = records.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                record.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                records.push(vec![String::new()]);
            }
            c => record.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(records.pop(), Some(vec![String::new()]));
    records
}
