//! The lexer: text to tokens with places. Comments run from `;` to the end of the line.

use core::{fmt, iter::Peekable, str::Chars};

use super::{ParseError, ParseErrorKind, words::is_path_char};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or keyword: `linear`, `edge_index.rowptr`.
    Word(String),
    /// A name in quotes.
    Text(String),
    /// An integer without sign.
    Int(u64),
    /// A float without sign.
    Float(f64),
    /// `%3`
    Value(u32),
    /// `$N`
    Symbol(String),
    /// `@conv1.lin.weight`
    At(String),
    /// `->`
    Arrow,
    /// `..`
    Range,
    /// One of `( ) [ ] { } : , = * + - ?`.
    Mark(char),
    /// The end of the text.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Value(id) => write!(f, "%{id}"),
            Self::Symbol(name) => write!(f, "${name}"),
            Self::At(name) => write!(f, "@{name}"),
            Self::Arrow => write!(f, "`->`"),
            Self::Range => write!(f, "`..`"),
            Self::Mark(mark) => write!(f, "`{mark}`"),
            Self::End => write!(f, "the end"),
        }
    }
}

/// A token and where it starts.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Spanned {
    pub(super) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError {
            line: self.line,
            column: self.column,
            kind,
        }
    }
}

/// Splits a text into tokens; the last is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Spanned>, ParseError> {
    let mut lexer = Lexer {
        rest: text.chars().peekable(),
        line: 1,
        column: 1,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let mut spanned = Spanned {
            token: Token::End,
            line: lexer.line,
            column: lexer.column,
        };
        match lexer.token() {
            Ok(token) => spanned.token = token,
            Err(kind) => return Err(spanned.error(kind)),
        }
        let done = spanned.token == Token::End;
        tokens.push(spanned);
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: u32,
    column: u32,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        if next == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(next)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        match self.rest.peek() {
            Some(&next) if wanted(next) => self.next(),
            Some(_) | None => None,
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(next) = self.next_if(&wanted) {
            taken.push(next);
        }
        taken
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.next_if(|next| next == ';').is_none() {
                return;
            }
            self.take_while(|next| next != '\n');
        }
    }

    fn token(&mut self) -> Result<Token, ParseErrorKind> {
        let Some(&first) = self.rest.peek() else {
            return Ok(Token::End);
        };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Word(self.take_while(is_path_char))),
            '0'..='9' => self.number(),
            '"' => Ok(Token::Text(self.text()?)),
            '@' => {
                self.next();
                let quoted = self.rest.peek() == Some(&'"');
                Ok(Token::At(if quoted {
                    self.text()?
                } else {
                    self.take_while(is_path_char)
                }))
            }
            '$' => {
                self.next();
                let name = self.take_while(|next| next.is_ascii_alphanumeric() || next == '_');
                Ok(Token::Symbol(name))
            }
            '%' => {
                self.next();
                let digits = self.take_while(|next| next.is_ascii_digit());
                digits
                    .parse()
                    .map(Token::Value)
                    .map_err(|_| ParseErrorKind::Number(digits))
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ':' | ',' | '=' | '*' | '+' | '?' => {
                self.next();
                Ok(Token::Mark(first))
            }
            '-' => {
                self.next();
                let arrow = self.next_if(|next| next == '>').is_some();
                Ok(if arrow {
                    Token::Arrow
                } else {
                    Token::Mark('-')
                })
            }
            '.' => {
                self.next();
                let range = self.next_if(|next| next == '.').is_some();
                if range {
                    Ok(Token::Range)
                } else {
                    Err(ParseErrorKind::Character('.'))
                }
            }
            _ => Err(ParseErrorKind::Character(first)),
        }
    }

    /// `12`, `1.5`, `1e-5`; the dots of `0..4` are not part of a number.
    fn number(&mut self) -> Result<Token, ParseErrorKind> {
        let mut digits = self.take_while(|next| next.is_ascii_digit());
        let mut is_float = false;
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|next| next.is_ascii_digit()) {
            self.next();
            digits.push('.');
            digits += &self.take_while(|next| next.is_ascii_digit());
            is_float = true;
        }
        if self.next_if(|next| next == 'e').is_some() {
            digits.push('e');
            digits.extend(self.next_if(|next| next == '-'));
            digits += &self.take_while(|next| next.is_ascii_digit());
            is_float = true;
        }
        let token = if is_float {
            digits.parse().ok().map(Token::Float)
        } else {
            digits.parse().ok().map(Token::Int)
        };
        token.ok_or(ParseErrorKind::Number(digits))
    }

    fn text(&mut self) -> Result<String, ParseErrorKind> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape().ok_or(ParseErrorKind::Text)?),
                Some('\n') | None => return Err(ParseErrorKind::Text),
                Some(next) => text.push(next),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        match self.next()? {
            'u' => {
                self.next_if(|next| next == '{')?;
                let digits = self.take_while(|next| next.is_ascii_hexdigit());
                self.next_if(|next| next == '}')?;
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
            }
            quoted @ ('"' | '\\') => Some(quoted),
            _ => None,
        }
    }
}
