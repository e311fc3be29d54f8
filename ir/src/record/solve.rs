//! Linear equations with integer solutions.
//!
//! Elimination modulo a prime of 61 bits: exact, however many unknowns there are. A solution in
//! small integers is the same modulo the prime; the caller checks it with the numbers themselves.

/// The Mersenne prime 2⁶¹ - 1.
const PRIME: i128 = (1 << 61) - 1;

/// Largest coefficient that a solution may have.
const MAX_COEFFICIENT: i128 = 1 << 31;

/// Coefficients `c` with `Σ c_i * columns[i][row] = right[row]` for each row. `None` if there are
/// none in integers, or more than one solution.
pub(super) fn solve(columns: &[Vec<i64>], right: &[i64]) -> Option<Vec<i64>> {
    let unknowns = columns.len();
    let mut rows: Vec<Vec<i128>> = (0..right.len())
        .map(|row| {
            let entries = columns.iter().map(|column| column.get(row).copied());
            let entries = entries.chain([right.get(row).copied()]);
            entries
                .map(|entry| entry.map(|entry| i128::from(entry).rem_euclid(PRIME)))
                .collect()
        })
        .collect::<Option<_>>()?;
    for column in 0..unknowns {
        let pivot = (column..rows.len()).find(|&row| rows[row][column] != 0)?;
        rows.swap(column, pivot);
        let inverse = power(rows[column][column], PRIME - 2);
        for entry in &mut rows[column] {
            *entry = *entry * inverse % PRIME;
        }
        let pivot = rows[column].clone();
        for (row, entries) in rows.iter_mut().enumerate() {
            let factor = entries[column];
            if row != column && factor != 0 {
                for (entry, pivot) in entries.iter_mut().zip(&pivot) {
                    *entry = (*entry - factor * pivot).rem_euclid(PRIME);
                }
            }
        }
    }
    let (solved, rest) = rows.split_at(unknowns);
    if rest.iter().any(|row| row[unknowns] != 0) {
        return None;
    }
    solved
        .iter()
        .map(|row| {
            let residue = row[unknowns];
            let signed = if residue > PRIME / 2 {
                residue - PRIME
            } else {
                residue
            };
            let is_small = signed.abs() <= MAX_COEFFICIENT;
            is_small.then(|| i64::try_from(signed).ok()).flatten()
        })
        .collect()
}

fn power(base: i128, mut exponent: i128) -> i128 {
    let (mut result, mut square) = (1, base);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result * square % PRIME;
        }
        square = square * square % PRIME;
        exponent /= 2;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_only_integer_solution() {
        let columns = [vec![1, 1, 1, 1], vec![3, 5, 8, 13]];
        assert_eq!(solve(&columns, &[-1, 3, 9, 19]), Some(vec![-7, 2]));
    }

    #[test]
    fn refuses_fractions_contradictions_and_choices() {
        let columns = [vec![1, 1, 1], vec![3, 5, 8]];
        assert_eq!(solve(&columns, &[3, 5, 9]), None);
        let halves = [vec![2, 4, 6]];
        assert_eq!(solve(&halves, &[1, 2, 3]), None);
        let twice = [vec![1, 2, 3], vec![2, 4, 6]];
        assert_eq!(solve(&twice, &[1, 2, 3]), None);
        assert_eq!(solve(&[vec![1], vec![2]], &[1]), None);
    }

    #[test]
    fn many_unknowns_do_not_overflow() {
        let columns: Vec<Vec<i64>> = (0..40_i64)
            .map(|i| {
                (0..45_i64)
                    .map(|row| (i * 7919 + row * 104_729 + i * i * row * row) % 1999)
                    .collect()
            })
            .collect();
        let right: Vec<i64> = (0..45)
            .map(|row| columns.iter().map(|c| c[row] * 3).sum())
            .collect();
        assert_eq!(solve(&columns, &right), Some(vec![3; 40]));
    }
}
