//! One pass that picks the fields a report's meaning can need.

use super::AccountField;
use crate::fix::{Message, small_number};
use crate::profile::Profile;

/// The first value of each field, empty when absent.
#[derive(Debug, Default)]
pub(super) struct Seen<'a> {
    pub account: &'a [u8],
    pub avg_px: &'a [u8],
    pub cl_ord_id: &'a [u8],
    pub cum_qty: &'a [u8],
    pub exec_id: &'a [u8],
    pub exec_ref_id: &'a [u8],
    pub exec_trans_type: &'a [u8],
    pub last_px: &'a [u8],
    pub last_qty: &'a [u8],
    pub order_id: &'a [u8],
    pub order_qty: &'a [u8],
    pub ord_status: &'a [u8],
    pub orig_cl_ord_id: &'a [u8],
    pub poss_dup: &'a [u8],
    pub px: &'a [u8],
    pub sending_time: &'a [u8],
    pub side: &'a [u8],
    pub text: &'a [u8],
    pub transact_time: &'a [u8],
    pub poss_resend: &'a [u8],
    pub cxl_rej_reason: &'a [u8],
    pub rej_reason: &'a [u8],
    pub exec_type: &'a [u8],
    pub leaves_qty: &'a [u8],
    pub restatement_reason: &'a [u8],
    pub cxl_rej_response_to: &'a [u8],
    pub multileg_type: &'a [u8],
    pub mass_status_req_id: &'a [u8],
    pub status_req_id: &'a [u8],
    pub copy_flag: &'a [u8],
    pub total_reports: &'a [u8],
    pub last_rpt_requested: &'a [u8],
    pub stop_px: &'a [u8],
    pub symbol: &'a [u8],
    pub position_id: &'a [u8],
}

impl<'a> Seen<'a> {
    pub(super) fn scan(m: &Message<'a>, p: &Profile) -> Self {
        let mut seen = Self::default();
        let mut party: &[u8] = b"";
        for (tag, value) in m.fields() {
            // Custom tags for these two may be any number, so they are asked for before the table.
            if tag == p.symbol_tag && seen.symbol.is_empty() {
                seen.symbol = value;
            } else if tag == p.position_id_tag && seen.position_id.is_empty() {
                seen.position_id = value;
            }
            match (tag, p.account_field) {
                (1, AccountField::Tag1) | (56, AccountField::CompId) if seen.account.is_empty() => {
                    seen.account = value;
                }
                (448, AccountField::Party(_)) => party = value,
                (452, AccountField::Party(role))
                    if seen.account.is_empty() && small_number(value) == Some(role) =>
                {
                    seen.account = party;
                }
                _ => {}
            }
            if let Some(slot) = seen.slot(tag)
                && slot.is_empty()
            {
                *slot = value;
            }
        }
        seen
    }

    #[inline]
    fn slot(&mut self, tag: u32) -> Option<&mut &'a [u8]> {
        Some(match tag {
            6 => &mut self.avg_px,
            11 => &mut self.cl_ord_id,
            14 => &mut self.cum_qty,
            17 => &mut self.exec_id,
            19 => &mut self.exec_ref_id,
            20 => &mut self.exec_trans_type,
            31 => &mut self.last_px,
            32 => &mut self.last_qty,
            37 => &mut self.order_id,
            38 => &mut self.order_qty,
            39 => &mut self.ord_status,
            41 => &mut self.orig_cl_ord_id,
            43 => &mut self.poss_dup,
            44 => &mut self.px,
            52 => &mut self.sending_time,
            54 => &mut self.side,
            58 => &mut self.text,
            60 => &mut self.transact_time,
            97 => &mut self.poss_resend,
            99 => &mut self.stop_px,
            102 => &mut self.cxl_rej_reason,
            103 => &mut self.rej_reason,
            150 => &mut self.exec_type,
            151 => &mut self.leaves_qty,
            378 => &mut self.restatement_reason,
            434 => &mut self.cxl_rej_response_to,
            442 => &mut self.multileg_type,
            584 => &mut self.mass_status_req_id,
            790 => &mut self.status_req_id,
            797 => &mut self.copy_flag,
            911 => &mut self.total_reports,
            912 => &mut self.last_rpt_requested,
            _ => return None,
        })
    }
}
