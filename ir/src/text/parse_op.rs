//! Operations with their attributes: the other side of `print_op`.

use super::{
    ParseErrorKind,
    lex::Token,
    parse::{Parsed, Parser},
};
use crate::{
    id::FunctionId,
    op::{
        Float, Op, Scalar, Scan,
        attribute::{Kind, Value},
    },
    size::{FLOOR_DIV, MIN, Size},
};

impl Parser<'_> {
    /// The attributes of a loop over a body.
    pub(super) fn scan(&mut self, body: FunctionId) -> Parsed<Scan> {
        self.mark('{')?;
        self.keyword("times")?;
        self.mark('=')?;
        let times = self.size()?;
        let mut counts = [0; 2];
        for (count, name) in counts.iter_mut().zip(["carried", "scanned"]) {
            self.mark(',')?;
            self.keyword(name)?;
            self.mark('=')?;
            *count = self.integer()?;
        }
        self.mark(',')?;
        self.keyword("reverse")?;
        self.mark('=')?;
        let reverse = self.bool()?;
        self.mark('}')?;
        let [carried, scanned] = counts;
        Ok(Scan {
            body,
            times,
            carried,
            scanned,
            reverse,
        })
    }

    /// An operation other than `weight`, `symbol`, `call` and `scan`, without its operands.
    pub(super) fn op(&mut self) -> Parsed<Op> {
        let Token::Word(name) = self.peek() else {
            return Err(self.unexpected("an operation"));
        };
        let start = self.token();
        self.advance();
        let Some((spec, word)) = Op::find(name) else {
            return Err(start.error(ParseErrorKind::Unknown {
                what: "operation",
                name: name.clone(),
            }));
        };
        let mut values: Vec<Value> = word.map(Value::Word).into_iter().collect();
        for (position, attribute) in spec.named_attributes().iter().enumerate() {
            self.mark(if position == 0 { '{' } else { ',' })?;
            self.keyword(attribute.name)?;
            self.mark('=')?;
            values.push(self.attribute(attribute.kind)?);
        }
        if !spec.named_attributes().is_empty() {
            self.mark('}')?;
        }
        // Each value is of the kind that was asked for.
        Op::new(spec, &values).ok_or_else(|| self.unexpected("other attributes"))
    }

    /// The value of an attribute.
    fn attribute(&mut self, kind: Kind) -> Parsed<Value> {
        Ok(match kind {
            Kind::Word(words) => Value::Word(self.word_of(words)?),
            Kind::Bool => Value::Bool(self.bool()?),
            Kind::Integer => Value::Integer(self.integer()?),
            Kind::Integers => Value::Integers(self.brackets(Self::integer)?),
            Kind::Float => Value::Float(self.float()?),
            Kind::OptionalFloat => Value::OptionalFloat(self.optional(Self::float)?),
            Kind::Scalar => Value::Scalar(self.scalar()?),
            Kind::OptionalScalar => Value::OptionalScalar(self.optional(Self::scalar)?),
            Kind::Size => Value::Size(self.size()?),
            Kind::Sizes => Value::Sizes(self.brackets(Self::size)?),
            Kind::Ranges => Value::Ranges(self.brackets(Self::range)?),
        })
    }

    fn word_of(&mut self, words: &'static [&'static str]) -> Parsed<&'static str> {
        self.choice(&Kind::Word(words).to_string(), words, |word| word)
    }

    fn optional<T>(&mut self, value: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        if self.eat_word("none") {
            Ok(None)
        } else {
            value(self).map(Some)
        }
    }

    fn integer(&mut self) -> Parsed<u32> {
        let (value, token) = self.int()?;
        u32::try_from(value).map_err(|_| token.error(ParseErrorKind::Number(value.to_string())))
    }

    fn range(&mut self) -> Parsed<(Size, Size)> {
        let start = self.size()?;
        if *self.peek() != Token::Range {
            return Err(self.unexpected("`..`"));
        }
        self.advance();
        Ok((start, self.size()?))
    }

    fn bool(&mut self) -> Parsed<bool> {
        self.choice("`true` or `false`", &[true, false], |one| {
            if *one { "true" } else { "false" }
        })
    }

    fn float(&mut self) -> Parsed<Float> {
        let start = self.token();
        match self.scalar()? {
            Scalar::Float(value) => Ok(value),
            Scalar::Int(_) | Scalar::Bool(_) => {
                let expected = "a float, such as 1.0".to_owned();
                let got = start.token.to_string();
                Err(start.error(ParseErrorKind::Expected { expected, got }))
            }
        }
    }

    /// A float has a point, an exponent, or is `inf` or `nan`; everything else is a size.
    fn scalar(&mut self) -> Parsed<Scalar> {
        let after_sign = match self.tokens.as_slice() {
            [minus, next, ..] if minus.token == Token::Mark('-') => Some(&next.token),
            _ => None,
        };
        match (self.peek(), after_sign) {
            (Token::Word(word), _) if word == "true" || word == "false" => {
                self.advance();
                Ok(Scalar::Bool(word == "true"))
            }
            (Token::Word(word), _) | (_, Some(Token::Word(word)))
                if word == MIN || word == FLOOR_DIV =>
            {
                self.size().map(Scalar::Int)
            }
            (Token::Word(_) | Token::Float(_), _) => {
                Ok(Scalar::Float(Float(self.unsigned_float()?)))
            }
            (_, Some(Token::Word(_) | Token::Float(_))) => {
                self.advance();
                Ok(Scalar::Float(Float(-self.unsigned_float()?)))
            }
            _ => self.size().map(Scalar::Int),
        }
    }

    fn unsigned_float(&mut self) -> Parsed<f64> {
        match self.peek() {
            Token::Float(value) => {
                self.advance();
                Ok(*value)
            }
            Token::Word(word) if word == "inf" => {
                self.advance();
                Ok(f64::INFINITY)
            }
            Token::Word(word) if word == "nan" => {
                self.advance();
                if !self.eat('(') {
                    return Ok(f64::NAN);
                }
                let (bits, _) = self.int()?;
                self.mark(')')?;
                Ok(f64::from_bits(bits))
            }
            _ => Err(self.unexpected("a number")),
        }
    }
}
