//! The parser's moves over single tokens, and lists of things.

use super::{
    ParseErrorKind,
    lex::{Spanned, Token},
    parse::{Parsed, Parser},
};
use crate::program::{SymbolId, ValueId, WeightId};

impl<'a> Parser<'a> {
    /// The next token.
    pub(super) fn token(&self) -> &'a Spanned {
        self.tokens.as_slice().first().unwrap_or(self.end)
    }

    pub(super) fn peek(&self) -> &'a Token {
        &self.token().token
    }

    pub(super) fn advance(&mut self) {
        self.tokens.next();
    }

    pub(super) fn unexpected(&self, expected: impl Into<String>) -> super::ParseError {
        let token = self.token();
        let got = token.token.to_string();
        token.error(ParseErrorKind::Expected {
            expected: expected.into(),
            got,
        })
    }

    /// Takes a mark if it is next.
    pub(super) fn eat(&mut self, mark: char) -> bool {
        let found = *self.peek() == Token::Mark(mark);
        if found {
            self.advance();
        }
        found
    }

    /// Takes a word if it is next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(next) if next == word);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn mark(&mut self, mark: char) -> Parsed<()> {
        if self.eat(mark) {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{mark}`")))
        }
    }

    pub(super) fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            Err(self.unexpected(format!("`{word}`")))
        }
    }

    pub(super) fn arrow(&mut self) -> Parsed<()> {
        if *self.peek() == Token::Arrow {
            self.advance();
            return Ok(());
        }
        Err(self.unexpected("`->`"))
    }

    pub(super) fn int(&mut self) -> Parsed<(u64, &'a Spanned)> {
        let token = self.token();
        match token.token {
            Token::Int(value) => {
                self.advance();
                Ok((value, token))
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// A name with or without quotes.
    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        match self.peek() {
            Token::Word(name) | Token::Text(name) => {
                self.advance();
                Ok(name.clone())
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// `@name`
    pub(super) fn at(&mut self) -> Parsed<(&'a str, &'a Spanned)> {
        let token = self.token();
        match &token.token {
            Token::At(name) => {
                self.advance();
                Ok((name, token))
            }
            _ => Err(self.unexpected("a name that starts with @")),
        }
    }

    pub(super) fn weight_name(&mut self) -> Parsed<WeightId> {
        let (name, token) = self.at()?;
        self.weights.get(name).copied().ok_or_else(|| {
            token.error(ParseErrorKind::Unknown {
                what: "weight",
                name: name.to_owned(),
            })
        })
    }

    pub(super) fn symbol_name(&mut self) -> Parsed<(&'a str, &'a Spanned)> {
        let token = self.token();
        match &token.token {
            Token::Symbol(name) => {
                self.advance();
                Ok((name, token))
            }
            _ => Err(self.unexpected("a symbol that starts with $")),
        }
    }

    pub(super) fn symbol(&mut self) -> Parsed<SymbolId> {
        let (name, token) = self.symbol_name()?;
        self.symbols.get(name).copied().ok_or_else(|| {
            token.error(ParseErrorKind::Unknown {
                what: "symbol",
                name: name.to_owned(),
            })
        })
    }

    pub(super) fn value(&mut self) -> Parsed<ValueId> {
        match self.peek() {
            Token::Value(id) => {
                self.advance();
                Ok(ValueId(*id))
            }
            _ => Err(self.unexpected("a value such as %0")),
        }
    }

    /// The one of `all` whose word is next.
    pub(super) fn choice<T: Copy>(
        &mut self,
        expected: &str,
        all: &[T],
        word: impl Fn(&T) -> &'static str,
    ) -> Parsed<T> {
        let found = match self.peek() {
            Token::Word(next) => all.iter().find(|one| word(one) == next),
            _ => None,
        };
        match found {
            Some(found) => {
                self.advance();
                Ok(*found)
            }
            None => Err(self.unexpected(expected)),
        }
    }

    /// Items with commas between them, and an optional one at the end.
    pub(super) fn list<T>(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.mark(open)?;
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(item(self)?);
            if !self.eat(',') {
                if self.eat(close) {
                    break;
                }
                return Err(self.unexpected(format!("`,` or `{close}`")));
            }
        }
        Ok(items)
    }

    pub(super) fn brackets<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.list('[', ']', item)
    }
}
