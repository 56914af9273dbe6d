
-- customer: customer, metrics: customer_metrics, money of: customer

-- account_owner: text; example: = 'Kim'
  is account_owner
-- allow_surcharges: flag; required: True
  is allow_surcharges
-- auto_payment_method: choice; example: = 'card'
  is auto_payment_method
-- average_days_late: number
  is metrics.average_days_late
-- balance_due: money; required: True
  is metrics.balance_due
  given if true
-- balance_overdue: money; required: True; example: > 1000
  is metrics.balance_overdue
  given if true
-- balance_overdue_1_30: money; required: True
  is metrics.balance_overdue_1_30
  given if true
-- balance_overdue_31_45: money; required: True
  is metrics.balance_overdue_31_45
  given if true
-- balance_overdue_31_60: money; required: True
  is metrics.balance_overdue_31_60
  given if true
-- balance_overdue_46_60: money; required: True
  is metrics.balance_overdue_46_60
  given if true
-- balance_overdue_61_90: money; required: True
  is metrics.balance_overdue_61_90
  given if true
-- balance_overdue_91_over: money; required: True
  is metrics.balance_overdue_91_over
  given if true
-- balance_total: money; required: True
  is metrics.balance_total
  given if true
-- contact_details_available: flag; required: True
  is metrics.contact_details_available
-- country: country; example: = 'DE'
  is metrics.country
-- credit_limit: money
  is credit_limit
-- credit_limit_utilisation: percent; example: > 80%
  is metrics.credit_limit_utilisation
  given if coalesce(credit_limit, 0) != 0
-- chasing_paused: flag; required: True
  is chasing_paused AND coalesce(chasing_paused_until >= :as_of, true)
-- currency: currency; required: True; example: = 'EUR'
  is currency
-- days_since_created: days; example: < 90; phrase: that was created {} days ago
  is :as_of - created_on
-- group_parent: text
  is metrics.group_parent
-- is_group_parent: flag; required: True
  is metrics.is_group_parent
-- invoices_count: count; required: True
  is metrics.invoices_count
-- name: text; required: True; example: CONTAINS 'gmbh'
  is name
-- portfolios: set; example: HAS ANY ('Retail', 'Enterprise')
  is nullif(portfolios, '{}'::text[])
  tested as portfolios
-- reference: text
  is reference
-- source_id: text; required: True
  is source_id
-- last_company_action_date: date
  is metrics.last_company_action_date
-- last_company_communication_date: date
  is metrics.last_company_communication_date
-- last_company_manual_communication_date: date
  is metrics.last_company_manual_communication_date
-- last_customer_action_date: date
  is metrics.last_customer_action_date
-- last_customer_communication_date: date
  is metrics.last_customer_communication_date
-- last_action_date: date
  is metrics.last_action_date
-- last_payment_date: date; example: IN LAST 30 DAYS
  is metrics.last_payment_date
-- max_days_overdue: days; example: > 60
  is :as_of - metrics.overdue_since
-- email_available: flag; required: True
  is metrics.email_available
-- rating: choice; example: = 'D'
  is rating
-- open_invoices: count; required: True
  is metrics.open_invoices
-- open_invoices_due: count; required: True
  is metrics.open_invoices_due
-- open_invoices_overdue: count; required: True; example: >= 3
  is metrics.open_invoices_overdue
-- overpayments: money; required: True
  is metrics.overpayments
  given if true
-- payment_method: choice
  is payment_method
-- payment_method_status: choice
  is payment_method_status
-- phone_available: flag; required: True
  is metrics.phone_available
-- prepayments: money; required: True
  is metrics.prepayments
  given if true
-- strike: count
  is strike
-- total_unallocated: money; required: True
  is metrics.total_unallocated
  given if true
-- average_days_to_pay: number
  is metrics.average_days_to_pay
-- average_days_overdue: number
  is div(20000 * (CAST(metrics.open_invoices_overdue AS NUMERIC) * (:as_of - DATE '1900-01-01') - metrics.overdue_due_days) + CAST(metrics.open_invoices_overdue AS NUMERIC), 2 * nullif(CAST(metrics.open_invoices_overdue AS NUMERIC), 0)) / CAST(10000.0000 AS NUMERIC)
-- amount_invoiced_12m: money; required: True
  is metrics.amount_invoiced_12m
  given if true
-- largest_open_balance: money
  is metrics.largest_open_balance
  given if metrics.open_invoices > 0
-- tags: set
  is nullif(tags, '{}'::text[])
  tested as tags
-- custom.a_count: count
  is CAST(custom ->> 'a_count' AS BIGINT)
-- custom.a_date: date
  is CAST(custom ->> 'a_date' AS DATE)
-- custom.a_flag: flag; required: True
  is coalesce((custom ->> 'a_flag') = 'true', false)
  tested as (custom ->> 'a_flag') = 'true'
-- custom.a_money: money
  is CAST(CAST(custom ->> 'a_money' AS NUMERIC) * 10000 AS BIGINT)
-- custom.a_number: number
  is CAST(custom ->> 'a_number' AS NUMERIC)
-- custom.a_percent: percent
  is CAST(custom ->> 'a_percent' AS NUMERIC)
-- custom.a_set: set
  is string_to_array(custom ->> 'a_set', '|')
-- custom.a_text: text
  is custom ->> 'a_text'
-- custom.in: number
  is CAST(custom ->> 'in' AS NUMERIC)
-- custom.level: choice; example: = 'low'
  is custom ->> 'level'
-- custom.mood: choice; example: = 'O''K'
  is custom ->> 'mood'

-- group: customer_group, metrics: group_metrics, money of: base

-- balance_due: money; required: True
  is metrics.balance_due
  given if true
-- balance_overdue: money; required: True; example: > 10k
  is metrics.balance_overdue
  given if true
-- balance_total: money; required: True
  is metrics.balance_total
  given if true
-- chasing_paused: flag; required: True
  is chasing_paused
-- credit_limit: money
  is credit_limit
-- credit_limit_utilisation: percent
  is metrics.credit_limit_utilisation
  given if coalesce(credit_limit, 0) != 0
-- max_days_overdue: days
  is :as_of - metrics.overdue_since
-- open_invoices_due: count; required: True
  is metrics.open_invoices_due
-- open_invoices_overdue: count; required: True
  is metrics.open_invoices_overdue
-- tags: set
  is nullif(tags, '{}'::text[])
  tested as tags
-- name: text
  is name
-- source_id: text; required: True
  is source_id
-- members_count: count; required: True
  is metrics.members_count
-- parent: text
  is metrics.parent

-- company: company, metrics: company_metrics, money of: base

-- name: text; required: True
  is name
-- country: country
  is country
-- base_currency: currency; required: True
  is base_currency
-- average_days_to_pay: number
  is metrics.average_days_to_pay
-- dso: number
  is metrics.dso

-- invoice: invoice or invoice_as_of, metrics: None, money of: document

-- amount: money; required: True
  is amount
  given if true
-- balance: money; required: True; example: > 1000
  is balance
  given if true
-- status: choice; required: True; example: = 'disputed'
  is status
-- issue_date: date; required: True
  is issue_date
-- due_date: date; example: IN NEXT 7 DAYS
  is due_date
-- settled_on: date
  is settled_on
-- expected_payment_date: date
  is expected_payment_date
-- days_overdue: days; example: > 30; phrase: that is {} days overdue
  is CASE WHEN (balance != 0 AND (status NOT IN ('void', 'closed'))) THEN :as_of - due_date END
-- days_until_due: days; phrase: that is due in {} days
  is CASE WHEN (balance != 0 AND (status NOT IN ('void', 'closed'))) THEN due_date - :as_of END
-- days_late: days; phrase: that was settled {} days late
  is CASE WHEN ((status NOT IN ('void', 'closed'))) THEN settled_on - due_date END
-- days_issued: days; required: True; phrase: that was issued {} days ago
  is :as_of - issue_date
-- aging: choice; example: = '61-90'
  is CASE WHEN (balance != 0 AND (status NOT IN ('void', 'closed'))) THEN CASE WHEN (:as_of - due_date >= 91) THEN '91+' WHEN (:as_of - due_date >= 61) THEN '61-90' WHEN (:as_of - due_date >= 31) THEN '31-60' WHEN (:as_of - due_date >= 1) THEN '1-30' ELSE 'not_due' END END
-- is_open: flag; required: True
  is balance != 0 AND (status NOT IN ('void', 'closed'))
-- is_overdue: flag; required: True
  is balance != 0 AND (status NOT IN ('void', 'closed')) AND coalesce(due_date < :as_of, false)
  tested as balance != 0 AND (status NOT IN ('void', 'closed')) AND due_date < :as_of
-- chasing_paused: flag; required: True
  is chasing_paused
-- bulk_payment_in_progress: flag; required: True
  is bulk_payment_in_progress
-- paid_percent: percent; example: < 50%
  is CASE WHEN (amount BETWEEN 1::bigint AND 4000000000000::bigint AND balance BETWEEN 0::bigint AND amount) THEN CAST((2000000::bigint * (CAST(amount AS BIGINT) - CAST(balance AS BIGINT)) + CAST(amount AS BIGINT)) / (2::bigint * CAST(amount AS BIGINT)) AS NUMERIC) ELSE sign(CAST(amount AS NUMERIC) - balance) * sign(CAST(amount AS NUMERIC)) * div(2000000 * abs(CAST(amount AS NUMERIC) - balance) + abs(CAST(amount AS NUMERIC)), nullif(2 * abs(CAST(amount AS NUMERIC)), 0)) END / CAST(10000.0000 AS NUMERIC)
-- currency: currency; required: True
  is currency
-- reference: text
  is reference
-- purchase_order: text
  is purchase_order
-- source_id: text; required: True
  is source_id
-- tags: set
  is nullif(tags, '{}'::text[])
  tested as tags
-- last_company_communication_date: date
  is (SELECT max(activity.date) AS max_1 FROM activity WHERE activity.company_id = :company AND activity.invoice_customer_id = customer_id AND activity.invoice_id = id AND activity.by = 'company' AND activity.kind IN ('email', 'sms', 'letter', 'call'))
-- custom.a_count: count
  is CAST(custom ->> 'a_count' AS BIGINT)
-- custom.a_date: date
  is CAST(custom ->> 'a_date' AS DATE)
-- custom.a_flag: flag; required: True
  is coalesce((custom ->> 'a_flag') = 'true', false)
  tested as (custom ->> 'a_flag') = 'true'
-- custom.a_money: money
  is CAST(CAST(custom ->> 'a_money' AS NUMERIC) * 10000 AS BIGINT)
-- custom.a_number: number
  is CAST(custom ->> 'a_number' AS NUMERIC)
-- custom.a_percent: percent
  is CAST(custom ->> 'a_percent' AS NUMERIC)
-- custom.a_set: set
  is string_to_array(custom ->> 'a_set', '|')
-- custom.a_text: text
  is custom ->> 'a_text'
-- custom.level: choice; example: = '9'
  is custom ->> 'level'
-- custom.mood: flag; required: True
  is coalesce((custom ->> 'mood') = 'true', false)
  tested as (custom ->> 'mood') = 'true'

-- payment: payment or payment_as_of, metrics: None, money of: document

-- amount: money; required: True; example: > 500
  is amount
  given if true
-- amount_remaining: money; required: True
  is amount_remaining
  given if true
-- date: date; required: True; example: IN LAST 30 DAYS; phrase: that is dated {}
  is date
-- days_since_paid: days; required: True; phrase: that was made {} days ago
  is :as_of - date
-- status: choice; required: True
  is status
-- is_prepayment: flag; required: True
  is kind = 'prepayment'
-- is_overpayment: flag; required: True
  is kind = 'overpayment'
-- source: text
  is source
-- currency: currency; required: True
  is currency
-- reference: text
  is reference
-- source_id: text; required: True
  is source_id
-- tags: set
  is nullif(tags, '{}'::text[])
  tested as tags
-- custom.a_count: count
  is CAST(custom ->> 'a_count' AS BIGINT)
-- custom.a_date: date
  is CAST(custom ->> 'a_date' AS DATE)
-- custom.a_flag: flag; required: True
  is coalesce((custom ->> 'a_flag') = 'true', false)
  tested as (custom ->> 'a_flag') = 'true'
-- custom.a_money: money
  is CAST(CAST(custom ->> 'a_money' AS NUMERIC) * 10000 AS BIGINT)
-- custom.a_number: number
  is CAST(custom ->> 'a_number' AS NUMERIC)
-- custom.a_percent: percent
  is CAST(custom ->> 'a_percent' AS NUMERIC)
-- custom.a_set: set
  is string_to_array(custom ->> 'a_set', '|')
-- custom.a_text: text
  is custom ->> 'a_text'
-- custom.level: money
  is CAST(CAST(custom ->> 'level' AS NUMERIC) * 10000 AS BIGINT)
-- custom.mood: choice; example: = 'good'
  is custom ->> 'mood'

-- credit_note: credit_note or credit_note_as_of, metrics: None, money of: document

-- amount: money; required: True
  is amount
  given if true
-- amount_remaining: money; required: True; example: > 0
  is amount_remaining
  given if true
-- is_assigned: flag; required: True
  is amount_remaining = 0
-- currency: currency; required: True
  is currency
-- issue_date: date; required: True
  is issue_date
-- days_issued: days; required: True; phrase: that was issued {} days ago
  is :as_of - issue_date
-- reference: text
  is reference
-- source_id: text; required: True
  is source_id
-- status: choice; required: True
  is status
-- tags: set
  is nullif(tags, '{}'::text[])
  tested as tags

-- contact: contact, metrics: None, money of: none

-- name: text
  is name
-- email: text; example: ENDS WITH '@example.com'
  is email
-- phone: text
  is phone
-- source: text
  is source
-- source_id: text; required: True
  is source_id
-- email_valid: flag; required: True
  is email_valid

-- activity: activity or activity_as_of, metrics: None, money of: none

-- date: date; required: True; phrase: that is dated {}
  is date
-- by: choice; required: True
  is by
-- kind: choice; required: True; example: = 'call'
  is kind
-- is_manual: flag; required: True
  is is_manual
-- subject: text
  is subject
-- days_ago: days; required: True; phrase: that was {} days ago
  is :as_of - date
-- invoice_reference: text
  is (SELECT invoice.reference FROM invoice WHERE invoice.company_id = :company AND invoice.customer_id = invoice_customer_id AND invoice.id = invoice_id)

-- promise: promise_current or promise_as_of, metrics: None, money of: document

-- amount: money; required: True
  is amount
  given if true
-- made_on: date
  is made_on
-- due_date: date; required: True
  is due_date
-- status: choice; required: True; example: = 'broken'
  is status
-- days_overdue: days; phrase: that is {} days overdue
  is CASE WHEN (status IN ('active', 'broken')) THEN :as_of - due_date END
-- currency: currency; required: True
  is currency
-- source_id: text; required: True
  is source_id
