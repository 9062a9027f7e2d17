//! What the configuration says about one subscription and leader instrument, worked out once: the hot path looks
//! nothing up by name and writes orders from a template.

use super::Index;
use crate::config::{Config, ConfigError, Limits, OrderType, Rounding, Sizing};
use crate::decimal::{Dec, Round};
use crate::instrument::Lots;
use crate::ledger::Grid;
use crate::order::{CL_ORD_ID_MAX, ClOrdId, Order, PositionId};
use crate::outbound::{self, Template};
use crate::refusal::Refusal;
use crate::risk::{Bounds, free_up_to};
use crate::sizing::{Inputs, Rule, Values, rule};
use crate::worth::Pays;
use rustc_hash::FxHashMap;
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// What keeps a close from opening the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// The venue itself.
    Plain,
    /// It is capped by what the broker holds.
    Capped,
    /// It names the position that it closes.
    ByName,
}

impl Closes {
    fn at(profile: &crate::profile::Profile) -> Self {
        match profile {
            p if p.hedges() => Self::ByName,
            p if super::holdings::caps(p) => Self::Capped,
            _ => Self::Plain,
        }
    }
}

/// One subscription and leader instrument.
///
/// What the usual open reads stands first, in two cache lines: with a thousand followers, memory that is touched costs
/// more than what is done with it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Lane {
    /// Lot grid of the follower instrument.
    pub grid: Grid,
    /// Follower units per leader unit, where they follow from the configuration alone.
    pub rate: Option<Dec>,
    /// Largest open that none of the bounds can touch, and that the venue takes at once; zero: they have to be asked.
    pub free_up_to: Dec,
    /// Largest min_lot ÷ target that `min_lot_if_nonzero` accepts.
    pub max_inflation: Dec,
    /// Oldest leader trade that is opened.
    pub max_age_ns: i64,
    /// Hash of the subscription's name, part of every ClOrdID(11).
    pub sub_hash: u64,
    /// Route of the follower.
    pub route: u32,
    /// Follower instrument.
    pub follower_instrument: u32,
    /// Length of ClOrdID(11).
    pub id_len: u8,
    /// From target to lots.
    pub rounding: Rounding,
    /// Buys what the leader sells.
    pub reverse: bool,
    /// The filters may leave an order out: they have to be asked.
    pub filtered: bool,
    /// How its target comes about is remembered: a bust of the leader's is followed.
    pub follows_busts: bool,
    /// An open is a limit order.
    pub limit_opens: bool,
    /// What keeps a close from opening.
    pub closes: Closes,
    /// The follower may not open it.
    pub restricted: bool,
    /// An opening order; none where the account or symbol cannot stand in a FIX field.
    pub open: Option<Template>,
    /// A closing order.
    pub close: Option<Template>,
    /// Why the rule that follows from the configuration cannot be used.
    pub no_rate: Option<Refusal>,
    /// A close is a limit order: the venue takes no market orders.
    pub limit_closes: bool,
    /// Follower units per leader unit, before sizing.
    pub qty_factor: Dec,
    /// Follower price per leader price.
    pub price_factor: Dec,
    /// Units in one lot at the follower's venue.
    pub contract: Dec,
    /// Smallest change of price.
    pub tick: Dec,
    /// Bounds of the subscription, units. Equal ones are shared: most lanes have the same.
    pub sub_bounds: Arc<Bounds>,
    /// Bounds of the follower, units.
    pub follower_bounds: Arc<Bounds>,
    /// Largest order that both bounds and the venue allow: closes are split by it.
    pub close_max: Option<Dec>,
    /// Largest order that the venue takes, units.
    pub venue_max: Option<Dec>,
    /// Lines that share the follower and its instrument.
    pub group: u32,
    /// Several subscriptions of the follower trade its instrument.
    pub shared: bool,
    /// How the follower's instrument pays.
    pub pays: Pays,
}

const _: () = assert!(std::mem::offset_of!(Lane, open) <= 128, "the usual open reads two cache lines");

/// Every lane, and where it is found.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    /// In the order of subscriptions and their leader instruments.
    pub list: Vec<Lane>,
    /// (subscription, leader instrument) → lane.
    pub at: FxHashMap<(u32, u32), u32>,
    /// Some lane is shared by several subscriptions.
    pub shared: bool,
    /// Number of groups.
    pub groups: usize,
}

fn units(lots: Option<Lots>, contract: Dec) -> Option<Dec> {
    lots?.units(contract, Round::Down)
}

pub(super) fn bounds(limits: &Limits, instrument: &str, contract: Dec) -> Bounds {
    let set = limits.of(instrument);
    Bounds {
        max_order_qty: units(set.max_order_qty_lots, contract),
        max_order_value: set.max_order_value,
        price_collar_bps: set.price_collar_bps,
        price_windows: (!set.price_windows.is_empty()).then(|| set.price_windows.as_slice().into()),
        max_position: units(set.max_position_lots, contract),
        on_breach: set.on_breach,
        totals: limits.totals,
    }
}

/// Equal bounds in one place.
#[derive(Default)]
struct Shared(FxHashMap<Bounds, Arc<Bounds>>);

impl Shared {
    fn of(&mut self, bounds: Bounds) -> Arc<Bounds> {
        Arc::clone(self.0.entry(bounds).or_insert_with_key(|bounds| Arc::new(bounds.clone())))
    }
}

/// The smallest bound that there is.
fn smallest<const N: usize>(of: [Option<Dec>; N]) -> Option<Dec> {
    of.into_iter().flatten().min()
}

/// Works out every lane. `ix` holds everything but the lanes.
///
/// # Errors
/// `ConfigError` when a name is missing, which `Index::new` has found before.
pub fn lanes(ix: &Index, cfg: &Config) -> Result<Lanes, ConfigError> {
    // Room for all at once: aligned memory grows by copying, which leaves holes as large as what was copied.
    let list = Vec::with_capacity(ix.subs.iter().map(|s| (&s.map).into_iter().len()).sum());
    let mut out = Lanes { list, ..Lanes::default() };
    let mut groups: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    let mut bounds = Shared::default();
    for (n, s) in ix.subs.iter().enumerate() {
        let sub = u32::try_from(n).unwrap_or(u32::MAX);
        for (leader_instrument, (fi, qty_factor, price_factor)) in &s.map {
            let next = u32::try_from(groups.len()).unwrap_or(u32::MAX);
            let group = *groups.entry((s.follower, *fi)).or_insert(next);
            let lane =
                lane(ix, cfg, n, *leader_instrument, *fi, (*qty_factor, *price_factor), (group, &mut bounds));
            let lane = lane.ok_or_else(|| ConfigError(format!("subscription {n}: a name is missing")))?;
            let at = u32::try_from(out.list.len()).unwrap_or(u32::MAX);
            out.at.insert((sub, *leader_instrument), at);
            out.list.push(lane);
        }
    }
    out.groups = groups.len();
    share(&mut out);
    Ok(out)
}

/// Marks the lanes whose instrument another subscription of the same follower trades too.
fn share(lanes: &mut Lanes) {
    let mut owner: Vec<Option<u64>> = vec![None; lanes.groups];
    let mut several = vec![false; lanes.groups];
    for lane in &lanes.list {
        let g = lane.group as usize;
        if let (Some(owner), Some(several)) = (owner.get_mut(g), several.get_mut(g)) {
            *several |= owner.is_some_and(|sub| sub != lane.sub_hash);
            *owner = Some(lane.sub_hash);
        }
    }
    lanes.shared = several.contains(&true);
    for lane in &mut lanes.list {
        lane.shared = several.get(lane.group as usize).copied().unwrap_or(false);
    }
}

fn lane(
    ix: &Index,
    cfg: &Config,
    sub: usize,
    li: u32,
    fi: u32,
    factors: (Dec, Dec),
    (group, shared): (u32, &mut Shared),
) -> Option<Lane> {
    let (s, c) = (ix.subs.get(sub)?, cfg.subscriptions.get(sub)?);
    let follower = cfg.followers.get(s.follower as usize)?;
    let (instrument, leader_instrument) =
        (cfg.instruments.get(fi as usize)?, cfg.instruments.get(li as usize)?);
    let grid = *ix.grids.get(fi as usize)?;
    let contract = instrument.contract_size;
    let of_sub = bounds(&c.limits, &instrument.name, contract);
    let of_follower = bounds(&follower.limits, &instrument.name, contract);
    let venue_max = units(instrument.max_lot, contract);
    let profile = cfg.profiles.get(*ix.route_profiles.get(s.route as usize)? as usize)?;
    let route = outbound::Route {
        profile,
        account: follower.account.as_deref().filter(|_| profile.account_on_order),
        symbol: ix.follower_symbols.get(s.follower as usize)?.get(&fi).map_or("", String::as_str),
        unit: ix.unit(profile, fi),
    };
    let (limit, id_len) = (c.order_type == OrderType::Limit, profile.cl_ord_id.max_len.min(CL_ORD_ID_MAX));
    let inputs = Inputs {
        qty_factor: factors.0,
        leader_contract: leader_instrument.contract_size,
        follower_contract: contract,
        leader: Values::default(),
        follower: Values::default(),
        account_fx: None,
        leader_unit_value: None,
        follower_unit_value: None,
        max_ratio: c.max_ratio,
        now_ns: 0,
        max_age_ms: 0,
    };
    let constant = matches!(
        c.sizing,
        Sizing::Multiplier { .. } | Sizing::Percent { .. } | Sizing::LotsMultiplier { .. }
    );
    let (rate, no_rate) = match constant.then(|| rule(&c.sizing, &inputs)) {
        Some(Ok(Rule::Rate(rate))) => (Some(rate), None),
        Some(Err(refusal)) => (None, Some(refusal)),
        Some(Ok(Rule::Amount(_))) | None => (None, None),
    };
    let restricted = ix.restricted.get(s.follower as usize).is_some_and(|r| r.contains(&fi));
    // A guard values the account at every open.
    let guarded = follower.guards.is_some() || c.guards.is_some();
    let of_lane = c.max_drift_bps.is_some() || c.max_amplification.is_some();
    let over_time = ix.counts_messages || cfg.faults.repeated_copies > 0;
    let together = ix.together.asks(s.leader);
    let free = free_up_to(&of_sub, &of_follower, restricted || guarded || of_lane || over_time || together);
    Some(Lane {
        grid,
        rate,
        free_up_to: free.map_or(Dec::ZERO, |most| venue_max.map_or(most, |v| v.min(most))),
        max_inflation: c.max_inflation,
        max_age_ns: c.max_age_ms.saturating_mul(MS),
        sub_hash: s.hash,
        route: s.route,
        follower_instrument: fi,
        id_len: u8::try_from(id_len).unwrap_or(0),
        rounding: c.rounding,
        reverse: c.reverse,
        filtered: !c.filters.passes_all(),
        follows_busts: super::busts::can_follow(c),
        limit_opens: limit,
        limit_closes: profile.closes_by_limit(),
        closes: Closes::at(profile),
        restricted,
        open: template(sub, &route, id_len, limit, false),
        close: template(sub, &route, id_len, profile.closes_by_limit(), true),
        no_rate,
        shared: false,
        pays: instrument.pays(),
        qty_factor: factors.0,
        price_factor: factors.1,
        contract,
        tick: instrument.tick,
        close_max: smallest([of_sub.max_order_qty, of_follower.max_order_qty, venue_max]),
        sub_bounds: shared.of(of_sub),
        follower_bounds: shared.of(of_follower),
        venue_max,
        group,
    })
}

/// A template is cut from an order that `outbound` wrote: there is one place that knows what an order looks like.
fn template(
    sub: usize,
    route: &outbound::Route<'_>,
    id_len: usize,
    limit: bool,
    reduces: bool,
) -> Option<Template> {
    let mut order = Order::new(ClOrdId::from_hash(0, id_len), u32::try_from(sub).ok()?, 0);
    (order.reduces, order.qty) = (reduces, Dec::ONE);
    order.px = limit.then_some(Dec::ONE);
    // Never sent: a close by name is written whole, and the template says only that it can be.
    order.position = PositionId::from_text(b"0").map(Box::new);
    Template::of(&order, route)
}
