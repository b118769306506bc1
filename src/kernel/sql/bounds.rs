//! Bounds on what is read: checked before and after parsing, so that no text can exhaust stack or time.
//!
//! The grammar's own stack is on the heap and ends at 10,000 entries ("memory exhausted"), so nesting
//! cannot overflow it; but chains such as `1+1+1…` make trees as deep as the text is long without any
//! nesting, and everything that recurses over a tree (deparsing, copying) would overflow. Therefore the
//! tree is measured with a stack of our own before anything recurses over it.

use memchr::memchr2;

/// Longest text that is read at all, in bytes, unless the caller says otherwise.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most bytes of it outside literals and comments: each may become a hundred bytes of tree.
pub const CODE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Deepest tree that is read. PostgreSQL's own limit (`max_stack_depth`) comes at a few thousand levels.
pub const DEPTH_MAX: usize = 10_000;

/// Deepest tree that is deparsed or copied: both recurse. A level costs less than 400 bytes of stack.
pub const DEPTH_DEPARSED_MAX: usize = 500;

/// Longest chain of nested block comments.
pub const COMMENT_DEPTH_MAX: usize = 10_000;

/// Most statements in one text: each costs us a record.
pub const STATEMENTS_MAX: usize = 10_000;

/// Whether every pinned and unpinned setting of the server's lexer reads this text the same way: it has
/// no backslash, no byte above 127, and no `U&`. Such a text may be judged while settings are in flight.
#[must_use]
pub fn lexically_invariant(text: &[u8]) -> bool {
    if !text.is_ascii() || memchr::memchr(b'\\', text).is_some() {
        return false;
    }
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr2(b'u', b'U', rest)) {
        let next = from + at + 1;
        if text.get(next) == Some(&b'&') {
            return false;
        }
        from = next;
    }
    true
}

/// How deeply block comments nest, at most. An overestimate is harmless: comment openers in literals
/// count too.
#[must_use]
pub fn comment_depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memchr(b'/', rest)) {
        let slash = from + at;
        if text.get(slash + 1) == Some(&b'*') {
            depth += 1;
            deepest = deepest.max(depth);
            from = slash + 2;
        } else {
            if slash > 0 && text.get(slash - 1) == Some(&b'*') {
                depth = depth.saturating_sub(1);
            }
            from = slash + 1;
        }
    }
    deepest
}

/// Most work a text may make the lexer do over and over, see [`operator_work`].
pub const OPERATOR_WORK_MAX: usize = 64 * 1024 * 1024;

/// Texts up to this length cannot do harm by it.
const OPERATOR_WORK_FREE: usize = 4 * 1024;

/// The lexer takes the longest run of operator characters and then gives back all but the first of them,
/// for each comment opener and each sign in the run: `/**//**/…` and `+++…` cost the square of their
/// length. This is that cost, roughly. A run that starts with `--` is a comment and costs nothing.
#[must_use]
pub fn operator_work(text: &[u8]) -> usize {
    if text.len() <= OPERATOR_WORK_FREE {
        return 0;
    }
    text.split(|byte| !b"~!@#^&|`?+-*/%<>=".contains(byte))
        .filter(|run| run.len() > 64 && !run.starts_with(b"--"))
        .map(|run| {
            let signs = run.iter().filter(|byte| matches!(byte, b'+' | b'-')).count();
            let openers = run.windows(2).filter(|pair| pair == b"/*").count();
            run.len().saturating_mul(signs + openers)
        })
        .fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariance() {
        for (text, expected) in [
            ("select 1", true),
            ("SELECT abalance FROM pgbench_accounts WHERE aid = 5;", true),
            ("select u from u where u & 1 = 2", true),
            ("select a.u&1", false),
            (r"select 'a\'", false),
            (r"select E'\n'", false),
            ("select 'ä'", false),
            ("select U&'0041'", false),
            ("select u&\"x\"", false),
            ("u", true),
            ("", true),
        ] {
            assert_eq!(lexically_invariant(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn comments() {
        assert_eq!(comment_depth(b"/* /* */ select 1; */"), 2);
        assert_eq!(comment_depth(b"select 1 / 2 /* a */ + /* b */ 1"), 1);
        assert_eq!(comment_depth(b"/**//**/"), 1);
    }
}
