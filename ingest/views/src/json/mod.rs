//! One line of JSON as a flat tree that borrows from the line.
//!
//! Why our own: a line comes from outside and may hold anything, so nesting must be bounded (the
//! process must not end on `[[[[…`), numbers must keep their text (1.50 stays 1.50), strings should
//! be borrowed, and one buffer should serve all lines. The grammar is RFC 8259, strict.
//!
//! The values stand in one vector in the order of the text; each knows where its part of the tree
//! ends, so that the next sibling is one step away. Of members with the same name the first counts.

mod parse;
mod string;

/// A part of the line, or of the buffer of strings that held escapes.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    length: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// The member's name; empty for an element of an array.
    key: Span,
    /// A string's content; otherwise the text as it stands.
    text: Span,
    /// Where the part of the tree below this value ends.
    end: u32,
    parent: u32,
    kind: Kind,
}

/// The buffers of a parsed line, to be used again for the next one.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    nodes: Vec<Node>,
    unescaped: String,
}

/// A value of a document.
pub(crate) type At = u32;

/// A parsed line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    source: &'a str,
    tape: &'a Tape,
}

impl<'a> Document<'a> {
    pub(crate) const ROOT: At = 0;

    fn node(&self, at: At) -> &'a Node {
        &self.tape.nodes[at as usize]
    }

    fn span(&self, span: Span) -> &'a str {
        let (start, length) = (span.start as usize, span.length as usize);
        match start.checked_sub(self.source.len()) {
            None => &self.source[start..start + length],
            Some(start) => &self.tape.unescaped[start..start + length],
        }
    }

    pub(crate) fn kind(&self, at: At) -> Kind {
        self.node(at).kind
    }

    /// A string's content; for every other value its JSON text.
    pub(crate) fn text(&self, at: At) -> &'a str {
        self.span(self.node(at).text)
    }

    /// The content, if this is a string.
    pub(crate) fn string(&self, at: At) -> Option<&'a str> {
        (self.kind(at) == Kind::String).then(|| self.text(at))
    }

    /// The name of the member that this value is, or that the array is in which it stands.
    pub(crate) fn name(&self, at: At) -> &'a str {
        let node = self.node(at);
        if node.key.length == 0 && self.kind(node.parent) == Kind::Array {
            return self.key(node.parent);
        }
        self.key(at)
    }

    /// The name of the member; empty for the root and for elements of arrays.
    pub(crate) fn key(&self, at: At) -> &'a str {
        self.span(self.node(at).key)
    }

    /// The object or array around a value; the root is its own.
    pub(crate) fn parent(&self, at: At) -> At {
        self.node(at).parent
    }

    /// Members of an object, elements of an array; nothing for other values.
    pub(crate) fn children(&self, at: At) -> Children<'a> {
        Children {
            document: *self,
            next: at + 1,
            end: self.node(at).end,
        }
    }

    /// The value of a member.
    pub(crate) fn member(&self, at: At, name: &str) -> Option<At> {
        if self.kind(at) != Kind::Object {
            return None;
        }
        self.children(at).find(|&child| self.key(child) == name)
    }
}

/// Goes through the values directly below one.
#[derive(Debug, Clone)]
pub(crate) struct Children<'a> {
    document: Document<'a>,
    next: At,
    end: At,
}

impl Iterator for Children<'_> {
    type Item = At;

    fn next(&mut self) -> Option<At> {
        if self.next >= self.end {
            return None;
        }
        let here = self.next;
        self.next = self.document.node(here).end;
        Some(here)
    }
}

#[cfg(test)]
mod tests;
