//! The increase part of a leader's execution: filters, age, the frozen rule, and the size it adds to the target.

use super::lanes::Lane;
use super::leaders::Execution;
use super::{Engine, Index};
use crate::action::{Conversion, Dealt};
use crate::config::{SideFilter, Sizing, SubscriptionConfig};
use crate::decimal::{Dec, Round, mul_div, times};
use crate::leader::{Frozen, LeaderOrder};
use crate::ledger::{QUANTA, fits, quanta};
use crate::refusal::{Code, Refusal};
use crate::sizing::{Rule, amount_share, open_qty, rule};

const MS: i64 = 1_000_000;

impl Engine {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn increase(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        (sub, place, leaves): (u32, usize, bool),
        cfg: &SubscriptionConfig,
        (at, lane): (u32, &Lane),
        date: u32,
        told: Option<&mut Conversion>,
    ) -> Result<Dec, Refusal> {
        if !self.st.mirrors.is_empty()
            && !leaves
            && let Some(rule) = self.mirror_rule(at, x, order)
        {
            // The follower has, or had, an order of his own: what this one fills is counted however old the report is.
            return self.grow(x, order, (place, None), (at, lane), rule, Ok(x.increase), told);
        }
        let passes = match (leaves, lane.filtered) {
            (true, _) => Err(Refusal::bare(Code::Leaving)),
            (false, true) => filters(ix, x, order, sub, cfg),
            (false, false) => Ok(()),
        };
        let gate = passes.and_then(|()| {
            if order.frozen { Err(Refusal::bare(Code::FrozenOrder)) } else { self.fresh_part(x, lane) }
        });
        if let Err(refusal) = gate {
            // A refused part of an amount counts as sized, so the rule is worked out for it as well.
            if !matches!(cfg.sizing, Sizing::Fixed { .. } | Sizing::PercentEquity { .. }) {
                return Err(refusal);
            }
        }
        let frozen = match (self.frozen(x, order, (sub, place, at), cfg, lane, date), gate) {
            (Err(_), Err(refusal)) => return Err(refusal),
            (rule, _) => rule?,
        };
        let dealt = self.dealt(sub);
        self.grow(x, order, (place, dealt), (at, lane), frozen, gate, told)
    }

    /// Adds an increase to the target: by its rule, as far as the gate lets it through.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn grow(
        &mut self,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        (place, dealt): (usize, Option<Dealt>),
        (at, lane): (u32, &Lane),
        frozen: Rule,
        gate: Result<Dec, Refusal>,
        mut told: Option<&mut Conversion>,
    ) -> Result<Dec, Refusal> {
        let grid = lane.grid;
        let overflow = Refusal::bare(Code::Overflow);
        let size = match frozen {
            Rule::Rate(weight) if dealt.is_some() => {
                let lots = dealt.map_or(0, |d| d.after.saturating_sub(d.kept));
                if lots == 0 {
                    return Ok(weight); // others were dealt what the leader opened
                }
                let all = times(lots, QUANTA).ok_or(overflow)?;
                mul_div(all, gate?.raw(), x.increase.raw(), Round::HalfEven).ok_or(overflow)?
            }
            Rule::Rate(rate) => x.sizes.rate(rate, gate?, grid).ok_or(overflow)?,
            Rule::Amount(amount) => {
                let qty = whole(x, order.order_qty);
                let slot = order.rules.get_mut(place).and_then(Option::as_mut).ok_or(overflow)?;
                let open = open_qty(x.increase, qty, x.cum).ok_or(overflow)?;
                let share = amount_share(amount, slot.sized, x.increase, open).ok_or(overflow)?;
                if let Some(told) = &mut told {
                    told.shared = Some((slot.sized, open));
                }
                slot.sized = slot.sized.checked_add(share).ok_or(overflow)?;
                self.cause.counted = share;
                let part = share.mul_div(gate?, x.increase, Round::HalfEven).ok_or(overflow)?;
                quanta(part.max(Dec::ZERO), grid).ok_or(overflow)?
            }
        };
        if let Some(told) = &mut told {
            told.counted = gate.unwrap_or(Dec::ZERO);
        }
        let (Rule::Rate(ratio) | Rule::Amount(ratio)) = frozen;
        if size == 0 {
            // Its order's amount is used up: it asks for nothing, not even for a smallest lot of what was lost before.
            (self.cause.until_ns, self.cause.size) = (0, 0);
            return Ok(ratio);
        }
        let negative = x.delta.is_negative() != lane.reverse;
        let signed = if negative { size.saturating_neg() } else { size };
        let now = self.st.at_ns;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return Err(overflow) };
        let target = ls.line.target.checked_add(signed).filter(|t| fits(*t, grid)).ok_or(overflow)?;
        // What was asked for on the other side lets nothing out on this one.
        let same_side = ls.line.target.signum() == target.signum();
        ls.line.target = target;
        ls.line.declined = false;
        let until = x.as_of(gate, now).saturating_add(lane.max_age_ns);
        ls.line.open_until_ns = if same_side { ls.line.open_until_ns.max(until) } else { until };
        (self.cause.until_ns, self.cause.size) = (until, size.saturating_abs());
        Ok(ratio)
    }

    /// The part of the increase that is young enough (02 step 1).
    fn fresh_part(&mut self, x: &Execution<'_>, lane: &Lane) -> Result<Dec, Refusal> {
        let now = self.st.at_ns;
        let oldest = now.saturating_sub(lane.max_age_ns);
        let own = x.report.transact_ns.is_some_and(|t| t >= oldest);
        let fresh = match (own, x.previous_ns >= oldest) {
            (false, _) => Dec::ZERO,
            (true, false) => x.increase.min(x.timed),
            (true, true) => x.increase,
        };
        let stale = || {
            let age_ms = now.saturating_sub(x.report.transact_ns.unwrap_or(0)).checked_div(MS).unwrap_or(0);
            let limit_ms = lane.max_age_ns.checked_div(MS).unwrap_or(0);
            Refusal::over(Code::Stale, Dec::from_int(limit_ms), Dec::from_int(age_ms))
        };
        if fresh.is_zero() {
            return Err(stale());
        }
        if fresh < x.increase {
            self.refuse(stale());
        }
        Ok(fresh)
    }

    /// The rule of this leader order: frozen at its first increase that can be sized; of an order that outlives its day
    /// (GTC, GTD) again each trade date. The end of a UTC day is no end of a day order's.
    pub(super) fn frozen(
        &mut self,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        (sub, place, at): (u32, usize, u32),
        cfg: &SubscriptionConfig,
        lane: &Lane,
        date: u32,
    ) -> Result<Rule, Refusal> {
        if let Some(rate) = lane.rate {
            return Ok(Rule::Rate(rate));
        }
        if let Some(refusal) = lane.no_rate {
            return Err(refusal);
        }
        let known = order.rules.get(place).and_then(Option::as_ref);
        if let Some(found) = known.filter(|r| r.date == date || !order.outlives_day) {
            return Ok(found.rule);
        }
        let sized = known.map(|r| (r.sized, matches!(r.rule, Rule::Amount(all) if r.sized >= all)));
        let inputs = self.inputs(sub, cfg, x.instrument, lane);
        let made = rule(&cfg.sizing, &inputs)?;
        let sized = match made {
            Rule::Amount(amount) => match sized {
                // An amount that was used up stays so, however large it would be today.
                Some((sized, used_up)) => {
                    if used_up {
                        amount.max(sized)
                    } else {
                        sized
                    }
                }
                None => self.used_before(x, order, (place, at), amount),
            },
            Rule::Rate(_) => sized.map_or(Dec::ZERO, |(sized, _)| sized),
        };
        if order.rules.len() <= place {
            // Room for every subscription at once: a list that doubles moves what it holds while followers wait.
            let all = self.ix.subs_of.get(x.leader as usize).map_or(0, Vec::len);
            order.rules.reserve_exact(all.saturating_sub(order.rules.len()));
            order.rules.resize(place.saturating_add(1), None);
        }
        if let Some(slot) = order.rules.get_mut(place) {
            *slot = Some(Frozen { rule: made, sized, date });
        }
        Ok(made)
    }

    /// What of an amount is used up when the first increase of an order is sized: the part that the order had filled before
    /// this subscription copied it, or all, where that part is in a position for which the amount was opened.
    fn used_before(
        &self,
        x: &Execution<'_>,
        order: &LeaderOrder,
        (place, at): (usize, u32),
        amount: Dec,
    ) -> Dec {
        let Some(missed) = order.missed_by(place) else { return Dec::ZERO };
        let joined = self.st.lines.get(at as usize).and_then(|ls| ls.joined);
        if joined.is_some() && joined == order.bought {
            return amount;
        }
        let qty = whole(x, order.order_qty).max(missed);
        amount.mul_div(missed, qty, Round::HalfEven).unwrap_or(amount)
    }
}

/// What the order of an execution is in all, as far as reports say.
fn whole(x: &Execution<'_>, order_qty: Option<Dec>) -> Dec {
    let leaves = x.report.leaves_qty.unwrap_or(Dec::ZERO);
    order_qty.or_else(|| x.cum.checked_add(leaves)).unwrap_or(x.cum)
}

pub(super) fn filters(
    ix: &Index,
    x: &Execution<'_>,
    order: &LeaderOrder,
    sub: u32,
    cfg: &SubscriptionConfig,
) -> Result<(), Refusal> {
    let f = &cfg.filters;
    let listed = ix.subs.get(sub as usize).and_then(|s| s.instruments.as_ref());
    let long = x.delta.is_positive();
    let side = match f.side {
        SideFilter::Both => true,
        SideFilter::Long => long,
        SideFilter::Short => !long,
    };
    let qty = order.order_qty.unwrap_or(x.cum);
    let tags = f.tags.iter().all(|(tag, text)| x.message.get(*tag) == Some(text.as_bytes()));
    if listed.is_some_and(|l| !l.contains(&x.instrument)) || !side || !tags {
        return Err(Refusal::bare(Code::Filtered));
    }
    if qty < f.min_order_qty {
        return Err(Refusal::over(Code::Filtered, f.min_order_qty, qty));
    }
    Ok(())
}
