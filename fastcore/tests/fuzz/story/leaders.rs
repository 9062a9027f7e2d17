//! What leaders say: fills, other reports, account values, the same once more.

use super::*;

impl Story<'_> {
    /// A part or all of a new or known order of a leader.
    pub(super) fn leader_fill(&mut self) {
        let open: Vec<usize> =
            (0..self.orders.len()).filter(|n| self.orders[*n].cum < self.orders[*n].qty).collect();
        let at = if open.is_empty() || self.rng.one_in(2) {
            let id = format!("O{}", self.next_number());
            let huge = self.rng.one_in(60);
            let sizes: &[i64] =
                if huge { &[1_000_000, 30_000_000_000_000_000] } else { &[1, 2, 5, 10, 12, 40] };
            let qty = *self.rng.pick(sizes);
            let (leader, side) = (self.rng.below(LEADERS), *self.rng.pick(b"1122225"));
            let symbol = *self.rng.pick(&SYMBOLS);
            self.orders.push(LeaderOrder { leader, id, side, symbol, qty, cum: 0, executions: vec![] });
            self.orders.len() - 1
        } else {
            *self.rng.pick(&open)
        };
        let o = &self.orders[at];
        let last = if self.rng.one_in(3) { (o.qty - o.cum).min(1) } else { o.qty - o.cum };
        let exec = format!("E{}", self.next_number());
        let o = &mut self.orders[at];
        o.cum += last;
        o.executions.push((exec.clone(), last));
        let o = o.clone();
        let status = if o.cum == o.qty { "2" } else { "1" };
        let kind = *self.rng.pick(&["F", "F", "F", status]);
        self.leader_report(&o, kind, status, last, &[(17, exec)]);
    }

    pub(super) fn leader_report(
        &mut self,
        o: &LeaderOrder,
        kind: &str,
        status: &str,
        last: i64,
        more: &[(u32, String)],
    ) {
        let number = self.next_number();
        let ago = if self.rng.one_in(12) { 70_000 } else { self.rng.below(500) as i64 };
        let text = |v: i64| v.to_string();
        let mut list: Fields = vec![(35, b"8".to_vec()), (34, number.to_string().into_bytes())];
        list.extend([(52, self.time(0)), (60, self.time(ago))]);
        let (qty, cum, left) = (text(o.qty), text(o.cum), text(o.qty - o.cum));
        let (side, last) = (char::from(o.side).to_string(), text(last));
        let own: [(u32, &str); 12] = [
            (37, &o.id),
            (11, &o.id),
            (150, kind),
            (39, status),
            (55, o.symbol),
            (54, &side),
            (38, &qty),
            (32, &last),
            (31, "1.1"),
            (6, "1.1"),
            (14, &cum),
            (151, &left),
        ];
        list.extend(own.map(|(tag, value)| (tag, value.as_bytes().to_vec())));
        list.extend(more.iter().map(|(tag, value)| (*tag, value.clone().into_bytes())));
        let raw = self.message(list);
        self.leader_says(o.leader, raw);
    }

    pub(super) fn leader_says(&mut self, leader: usize, raw: Vec<u8>) {
        if self.told.len() < 64 {
            self.told.push((leader, raw.clone()));
        }
        let session = if self.rng.one_in(100) { "NONE".to_owned() } else { format!("L{leader}") };
        self.apply(EventKind::Leader, &session, raw);
    }

    /// Takes back, corrects, replaces, ends or asks about an order; or says something about the account.
    pub(super) fn leader_other(&mut self) {
        if self.orders.is_empty() || self.rng.one_in(6) {
            let list = self.about_account("X", 5);
            let raw = self.message(list);
            let leader = self.rng.below(LEADERS);
            return self.leader_says(leader, raw);
        }
        let at = self.rng.below(self.orders.len());
        let exec = format!("E{}", self.next_number());
        let mut o = self.orders[at].clone();
        let named =
            if o.executions.is_empty() { ("E0".to_owned(), 1) } else { self.rng.pick(&o.executions).clone() };
        match self.rng.below(7) {
            0 | 1 => {
                o.cum = (o.cum - named.1).max(0);
                self.leader_report(&o, "H", "1", named.1, &[(17, exec), (19, named.0)]);
            }
            2 => {
                o.cum = (o.cum - named.1 + 1).max(0);
                self.leader_report(&o, "G", "1", 1, &[(17, exec), (19, named.0)]);
            }
            3 => {
                o.qty = o.qty.saturating_mul(2);
                self.leader_report(&o, "5", "5", 0, &[(17, exec), (41, o.id.clone())]);
            }
            4 => self.leader_report(&o, "I", "1", 0, &[(17, exec)]),
            5 => {
                let reason = self.rng.pick(&["0", "5", "8"]).to_string();
                self.leader_report(&o, "D", "1", 0, &[(17, exec), (378, reason)]);
            }
            _ => {
                let end = *self.rng.pick(&["4", "C", "8", "3", "0", "A", "6"]);
                self.leader_report(&o, end, end, 0, &[(17, exec)]);
            }
        }
        self.orders[at] = o;
    }

    /// A quote, the account's values or a position.
    pub(super) fn about_account(&mut self, symbol: &str, held: i64) -> Fields {
        let id = format!("Q{}.{}", self.rng.below(200), self.rng.below(FOLLOWERS));
        let text = match self.rng.below(3) {
            0 => format!("35=W|55={symbol}|269=0|270=1.09|269=1|270=1.11|"),
            1 => "35=BA|900=1000|901=900|899=800|15=USD|1=A0|".to_owned(),
            _ => format!("35=AP|710={id}|727=1|728=0|1=A0|55={symbol}|703=TQ|704={held}|705=0|"),
        };
        mutate::fields_of(&text)
    }

    /// The same message once more: sent again, or a replay of the broker.
    pub(super) fn leader_again(&mut self) {
        if !self.told.is_empty() {
            let (leader, raw) = self.rng.pick(&self.told).clone();
            self.apply(EventKind::Leader, &format!("L{leader}"), raw);
        }
    }
}
