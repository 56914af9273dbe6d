---- customer, count, some, counts, of all, nearest: true
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT
 LIMIT :limit::BIGINT) AS found
  :limit = 9
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1
WHERE true GROUP BY customer_1.company_id
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE true ORDER BY customer_1.source_id COLLATE "C"
-- nearest
SELECT count(*) FILTER (WHERE true IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, true IS true AS column_3
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT ORDER BY true IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :limit = 1

---- customer, count, counts, upwards, downwards, after missing, nearest: customer.rating >= 'B' OR customer.name CONTAINS 'x'
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.rating = ANY (:param_1::TEXT[]) OR CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END)
  :param_1 = ['B', 'C', 'D']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.rating = ANY (:param_1::TEXT[]) OR CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END GROUP BY customer_1.company_id
  :param_1 = ['B', 'C', 'D']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
-- upwards
SELECT customer_1.rating AS rating, customer_1.name AS name, CAST(array_position(:param_1::TEXT[], customer_1.rating) AS TEXT) AS ordered_by
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.rating = ANY (:param_2::TEXT[]) OR CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END) ORDER BY array_position(:param_1::TEXT[], customer_1.rating) ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = ['A', 'B', 'C', 'D']
  :param_2 = ['B', 'C', 'D']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :limit = 5
-- downwards
SELECT customer_1.rating AS rating, customer_1.name AS name, CAST(lower(customer_1.name COLLATE "default") COLLATE "C" AS TEXT) AS ordered_by
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.rating = ANY (:param_1::TEXT[]) OR CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END) AND ((lower(customer_1.name COLLATE "default") COLLATE "C") < CAST(:after_value::VARCHAR AS TEXT) OR (lower(customer_1.name COLLATE "default") COLLATE "C") = CAST(:after_value::VARCHAR AS TEXT) AND (customer_1.source_id COLLATE "C") > :after::VARCHAR OR (lower(customer_1.name COLLATE "default") COLLATE "C") IS NULL) ORDER BY lower(customer_1.name COLLATE "default") COLLATE "C" DESC NULLS LAST, customer_1.source_id COLLATE "C"
  :param_1 = ['B', 'C', 'D']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :after_value = '0'
  :after = 'C1'
-- after missing
SELECT CAST(array_position(:param_1::TEXT[], customer_1.rating) AS TEXT) AS ordered_by
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.rating = ANY (:param_2::TEXT[]) OR CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END) AND array_position(:param_1::TEXT[], customer_1.rating) IS NULL AND (customer_1.source_id COLLATE "C") > :after::VARCHAR ORDER BY array_position(:param_1::TEXT[], customer_1.rating) ASC NULLS LAST, customer_1.source_id COLLATE "C"
  :param_1 = ['A', 'B', 'C', 'D']
  :param_2 = ['B', 'C', 'D']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :after = 'C1'
-- nearest
SELECT count(*) FILTER (WHERE (customer_1.rating = ANY (:param_1::TEXT[]) OR CASE WHEN (strpos(translate(lower(:param_2::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:param_2::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:param_2::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (customer_1.rating = ANY (:param_3::TEXT[]) OR CASE WHEN (strpos(translate(lower(:param_4::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_4::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:param_4::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_5::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:param_4::VARCHAR COLLATE "default")) > :strpos_6::INTEGER END) IS true AS column_3
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.rating = ANY (:param_5::TEXT[]) OR CASE WHEN (strpos(translate(lower(:param_6::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_7::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:param_6::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_8::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:param_6::VARCHAR COLLATE "default")) > :strpos_9::INTEGER END) ORDER BY (customer_1.rating = ANY (:param_1::TEXT[]) OR CASE WHEN (strpos(translate(lower(:param_2::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower(customer_1.name COLLATE "default"), 'ς', 'σ'), translate(lower(:param_2::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower(customer_1.name COLLATE "default"), lower(:param_2::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = ['B', 'C', 'D']
  :param_2 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :param_3 = ['B', 'C', 'D']
  :param_4 = 'x'
  :strpos_4 = 0
  :strpos_5 = 0
  :strpos_6 = 0
  :param_5 = ['B', 'C', 'D']
  :param_6 = 'x'
  :strpos_7 = 0
  :strpos_8 = 0
  :strpos_9 = 0
  :limit = 1

---- customer, count, some, counts, upwards, downwards, nearest: customer.balance_overdue > 1000
-- count
SELECT count(*) AS count_1
FROM customer_metrics AS customer_metrics_1
WHERE customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.balance_overdue > :parameter_1::BIGINT
  :parameter_1 = 10000000
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.balance_overdue > :parameter_1::BIGINT
 LIMIT :limit::BIGINT) AS found
  :parameter_1 = 10000000
  :limit = 9
-- counts
SELECT customer_metrics_live_1.company_id, count(*) AS count_1
FROM customer_metrics_live AS customer_metrics_live_1
WHERE customer_metrics_live_1.balance_overdue > :parameter_1::BIGINT GROUP BY customer_metrics_live_1.company_id
  :parameter_1 = 10000000
-- upwards
SELECT customer_metrics_1.balance_overdue AS balance_overdue, CAST(customer_metrics_1.balance_overdue AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.balance_overdue > :parameter_1::BIGINT ORDER BY customer_metrics_1.balance_overdue ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :parameter_1 = 10000000
  :limit = 5
-- downwards
SELECT customer_metrics_1.balance_overdue AS balance_overdue, CAST(customer_metrics_1.balance_overdue AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.balance_overdue > :parameter_1::BIGINT AND (customer_metrics_1.balance_overdue < CAST(:after_value::VARCHAR AS NUMERIC) OR customer_metrics_1.balance_overdue = CAST(:after_value::VARCHAR AS NUMERIC) AND (customer_1.source_id COLLATE "C") > :after::VARCHAR OR customer_metrics_1.balance_overdue IS NULL) ORDER BY customer_metrics_1.balance_overdue DESC NULLS LAST, customer_1.source_id COLLATE "C"
  :parameter_1 = 10000000
  :after_value = '0'
  :after = 'C1'
-- nearest
SELECT count(*) FILTER (WHERE (customer_metrics_1.balance_overdue > :param_1::BIGINT) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (customer_metrics_1.balance_overdue > :param_2::BIGINT) IS true AS column_3, customer_metrics_1.balance_overdue AS column_4, :param_3 AS column_5, :param_4::BIGINT AS column_6, :param_5 AS column_7
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.balance_overdue > :param_6::BIGINT ORDER BY (customer_metrics_1.balance_overdue > :param_1::BIGINT) IS true DESC, customer_metrics_1.balance_overdue DESC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 10000000
  :param_2 = 10000000
  :param_3 = 10000
  :param_4 = 1000
  :param_5 = 1
  :param_6 = 10000000
  :limit = 1

---- customer, count, of all: customer.balance_overdue > 1000 EUR
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND CASE WHEN (customer_1.currency = :param_1::VARCHAR) THEN CAST(customer_metrics_1.balance_overdue AS NUMERIC) ELSE sign(CAST(customer_metrics_1.balance_overdue AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(customer_metrics_1.balance_overdue AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = :param_1::VARCHAR)) + :div_1::INTEGER, :div_2::INTEGER) END > :param_3::BIGINT
  :param_1 = 'EUR'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :param_3 = 10000000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1 JOIN customer_metrics_as_of AS customer_metrics_as_of_1 ON customer_metrics_as_of_1.company_id = customer_1.company_id AND customer_metrics_as_of_1.customer_id = customer_1.id
WHERE CASE WHEN (customer_1.currency = :param_1::VARCHAR) THEN CAST(customer_metrics_as_of_1.balance_overdue AS NUMERIC) ELSE sign(CAST(customer_metrics_as_of_1.balance_overdue AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(customer_metrics_as_of_1.balance_overdue AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = customer_1.company_id AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = customer_1.company_id AND fx_latest_2.currency = :param_1::VARCHAR)) + :div_1::INTEGER, :div_2::INTEGER) END > :param_3::BIGINT ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 'EUR'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :param_3 = 10000000

---- customer, count, upwards, downwards: customer.chasing_paused OR customer.last_payment_date < today - 30 days
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) OR customer_metrics_1.last_payment_date < :param_1::DATE)
  :as_of = 2026-11-21
  :param_1 = 2026-10-22
-- upwards
SELECT customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) AS chasing_paused, customer_metrics_1.last_payment_date AS last_payment_date, CAST(CAST(customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) AS INTEGER) AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) OR customer_metrics_1.last_payment_date < :param_1::DATE) ORDER BY CAST(customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) AS INTEGER) ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :as_of = 2026-11-21
  :param_1 = 2026-10-22
  :limit = 5
-- downwards
SELECT customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) AS chasing_paused, customer_metrics_1.last_payment_date AS last_payment_date, CAST(customer_metrics_1.last_payment_date AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.chasing_paused AND coalesce(customer_1.chasing_paused_until >= :as_of::DATE, true) OR customer_metrics_1.last_payment_date < :param_1::DATE) AND (customer_metrics_1.last_payment_date < CAST(:after_value::VARCHAR AS DATE) OR customer_metrics_1.last_payment_date = CAST(:after_value::VARCHAR AS DATE) AND (customer_1.source_id COLLATE "C") > :after::VARCHAR OR customer_metrics_1.last_payment_date IS NULL) ORDER BY customer_metrics_1.last_payment_date DESC NULLS LAST, customer_1.source_id COLLATE "C"
  :as_of = 2026-11-21
  :param_1 = 2026-10-22
  :after_value = '0'
  :after = 'C1'

---- customer, count, counts, downwards: customer.max_days_overdue BETWEEN 30 AND 60 AND customer.strike IN (1, 2.5)
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.overdue_since <= :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER) AND customer_metrics_1.overdue_since >= :as_of::DATE - CAST(least(greatest(:parameter_2::BIGINT, :greatest_2::INTEGER), :least_2::INTEGER) AS INTEGER) AND (customer_1.strike = :param_1::BIGINT OR CAST(customer_1.strike AS NUMERIC) * :param_2 = :param_3::BIGINT)
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000
  :parameter_2 = 60
  :greatest_2 = -120000
  :least_2 = 120000
  :param_1 = 1
  :param_2 = 2
  :param_3 = 5
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1 JOIN customer_metrics_live AS customer_metrics_live_1 ON customer_metrics_live_1.company_id = customer_1.company_id AND customer_metrics_live_1.customer_id = customer_1.id
WHERE customer_metrics_live_1.overdue_since <= :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER) AND customer_metrics_live_1.overdue_since >= :as_of::DATE - CAST(least(greatest(:parameter_2::BIGINT, :greatest_2::INTEGER), :least_2::INTEGER) AS INTEGER) AND (customer_1.strike = :param_1::BIGINT OR CAST(customer_1.strike AS NUMERIC) * :param_2 = :param_3::BIGINT) GROUP BY customer_1.company_id
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000
  :parameter_2 = 60
  :greatest_2 = -120000
  :least_2 = 120000
  :param_1 = 1
  :param_2 = 2
  :param_3 = 5
-- downwards
SELECT :as_of::DATE - customer_metrics_1.overdue_since AS max_days_overdue, customer_1.strike AS strike, CAST(customer_1.strike AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_metrics_1.overdue_since <= :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER) AND customer_metrics_1.overdue_since >= :as_of::DATE - CAST(least(greatest(:parameter_2::BIGINT, :greatest_2::INTEGER), :least_2::INTEGER) AS INTEGER) AND (customer_1.strike = :param_1::BIGINT OR CAST(customer_1.strike AS NUMERIC) * :param_2 = :param_3::BIGINT) AND (customer_1.strike < CAST(:after_value::VARCHAR AS NUMERIC) OR customer_1.strike = CAST(:after_value::VARCHAR AS NUMERIC) AND (customer_1.source_id COLLATE "C") > :after::VARCHAR OR customer_1.strike IS NULL) ORDER BY customer_1.strike DESC NULLS LAST, customer_1.source_id COLLATE "C"
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000
  :parameter_2 = 60
  :greatest_2 = -120000
  :least_2 = 120000
  :param_1 = 1
  :param_2 = 2
  :param_3 = 5
  :after_value = '0'
  :after = 'C1'

---- customer, count, upwards, nearest: customer.credit_limit_utilisation IN (50%, 33.5%) OR customer.strike / 3 > 1
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_metrics_1.credit_limit_utilisation = :param_1::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_2 = :param_3::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_4::INTEGER * sign(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER) AS NUMERIC) * :param_7::INTEGER > CAST(:param_8::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER), :nullif_1::INTEGER))
  :param_1 = 50
  :param_2 = 2
  :param_3 = 67
  :param_4 = 1
  :param_5 = 3
  :param_6 = 1
  :param_7 = 1
  :param_8 = 1
  :nullif_1 = 0
-- upwards
SELECT customer_metrics_1.credit_limit_utilisation AS credit_limit_utilisation, customer_1.strike AS strike, CAST(customer_metrics_1.credit_limit_utilisation AS TEXT) AS ordered_by
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_metrics_1.credit_limit_utilisation = :param_1::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_2 = :param_3::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_4::INTEGER * sign(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER) AS NUMERIC) * :param_7::INTEGER > CAST(:param_8::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER), :nullif_1::INTEGER)) ORDER BY customer_metrics_1.credit_limit_utilisation ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 50
  :param_2 = 2
  :param_3 = 67
  :param_4 = 1
  :param_5 = 3
  :param_6 = 1
  :param_7 = 1
  :param_8 = 1
  :nullif_1 = 0
  :limit = 5
-- nearest
SELECT count(*) FILTER (WHERE (customer_metrics_1.credit_limit_utilisation = :param_1::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_2 = :param_3::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_4::INTEGER * sign(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER) AS NUMERIC) * :param_7::INTEGER > CAST(:param_8::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER), :nullif_1::INTEGER)) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (customer_metrics_1.credit_limit_utilisation = :param_9::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_10 = :param_11::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_12::INTEGER * sign(CAST(:param_13::BIGINT AS NUMERIC) * :param_14::INTEGER) AS NUMERIC) * :param_15::INTEGER > CAST(:param_16::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_13::BIGINT AS NUMERIC) * :param_14::INTEGER), :nullif_2::INTEGER)) IS true AS column_3
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND (customer_metrics_1.credit_limit_utilisation = :param_17::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_18 = :param_19::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_20::INTEGER * sign(CAST(:param_21::BIGINT AS NUMERIC) * :param_22::INTEGER) AS NUMERIC) * :param_23::INTEGER > CAST(:param_24::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_21::BIGINT AS NUMERIC) * :param_22::INTEGER), :nullif_3::INTEGER)) ORDER BY (customer_metrics_1.credit_limit_utilisation = :param_1::BIGINT OR CAST(customer_metrics_1.credit_limit_utilisation AS NUMERIC) * :param_2 = :param_3::BIGINT OR CAST(CAST(customer_1.strike AS NUMERIC) * :param_4::INTEGER * sign(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER) AS NUMERIC) * :param_7::INTEGER > CAST(:param_8::BIGINT AS NUMERIC) * nullif(abs(CAST(:param_5::BIGINT AS NUMERIC) * :param_6::INTEGER), :nullif_1::INTEGER)) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 50
  :param_2 = 2
  :param_3 = 67
  :param_4 = 1
  :param_5 = 3
  :param_6 = 1
  :param_7 = 1
  :param_8 = 1
  :nullif_1 = 0
  :param_9 = 50
  :param_10 = 2
  :param_11 = 67
  :param_12 = 1
  :param_13 = 3
  :param_14 = 1
  :param_15 = 1
  :param_16 = 1
  :nullif_2 = 0
  :param_17 = 50
  :param_18 = 2
  :param_19 = 67
  :param_20 = 1
  :param_21 = 3
  :param_22 = 1
  :param_23 = 1
  :param_24 = 1
  :nullif_3 = 0
  :limit = 1

---- customer, count: customer.tags HAS NONE ('a', 'b') AND NOT customer.tags HAS ALL ('c', 'd')
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.tags && :parameter_1::TEXT[]) IS NOT true AND (customer_1.tags @> :parameter_2::TEXT[]) IS NOT true
  :parameter_1 = ['a', 'b']
  :parameter_2 = ['c', 'd']

---- customer, count, upwards, after missing: customer.custom.plan > 'Basic' AND invoice.custom.project CONTAINS 'x'
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.custom ->> 'plan') = ANY (:param_1::TEXT[]) AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower((invoice_1.custom ->> 'project') COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower((invoice_1.custom ->> 'project') COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END))
  :param_1 = ['Premium', 'Partner']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
-- upwards
SELECT customer_1.custom ->> 'plan' AS "custom.plan", CAST(array_position(:param_1::TEXT[], customer_1.custom ->> 'plan') AS TEXT) AS ordered_by
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.custom ->> 'plan') = ANY (:param_2::TEXT[]) AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower((invoice_1.custom ->> 'project') COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower((invoice_1.custom ->> 'project') COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END)) ORDER BY array_position(:param_1::TEXT[], customer_1.custom ->> 'plan') ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = ['Basic', 'Premium', 'Partner']
  :param_2 = ['Premium', 'Partner']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :limit = 5
-- after missing
SELECT CAST(array_position(:param_1::TEXT[], customer_1.custom ->> 'plan') AS TEXT) AS ordered_by
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.custom ->> 'plan') = ANY (:param_2::TEXT[]) AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND CASE WHEN (strpos(translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ'), 'σ') > :strpos_1::INTEGER) THEN strpos(translate(lower((invoice_1.custom ->> 'project') COLLATE "default"), 'ς', 'σ'), translate(lower(:parameter_1::VARCHAR COLLATE "default"), 'ς', 'σ')) > :strpos_2::INTEGER ELSE strpos(lower((invoice_1.custom ->> 'project') COLLATE "default"), lower(:parameter_1::VARCHAR COLLATE "default")) > :strpos_3::INTEGER END)) AND array_position(:param_1::TEXT[], customer_1.custom ->> 'plan') IS NULL AND (customer_1.source_id COLLATE "C") > :after::VARCHAR ORDER BY array_position(:param_1::TEXT[], customer_1.custom ->> 'plan') ASC NULLS LAST, customer_1.source_id COLLATE "C"
  :param_1 = ['Basic', 'Premium', 'Partner']
  :param_2 = ['Premium', 'Partner']
  :parameter_1 = 'x'
  :strpos_1 = 0
  :strpos_2 = 0
  :strpos_3 = 0
  :after = 'C1'

---- customer, count, of all: customer IN SEGMENT 'High risk'
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.id IN (SELECT customer_2.id
FROM customer AS customer_2 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_2.id
WHERE customer_2.company_id = :company::BIGINT AND customer_2.rating = :param_1::VARCHAR AND customer_metrics_1.balance_overdue > :param_2::BIGINT)
  :param_1 = 'D'
  :param_2 = 0
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (customer_1.company_id, customer_1.id) IN (SELECT customer_2.company_id, customer_2.id
FROM customer AS customer_2 JOIN customer_metrics_as_of AS customer_metrics_as_of_1 ON customer_metrics_as_of_1.company_id = customer_2.company_id AND customer_metrics_as_of_1.customer_id = customer_2.id
WHERE customer_2.rating = :param_1::VARCHAR AND customer_metrics_as_of_1.balance_overdue > :param_2::BIGINT) ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 'D'
  :param_2 = 0

---- customer, count, some, counts, nearest: invoice.balance > 1000 AND invoice.is_overdue
-- count
SELECT count(DISTINCT invoice_1.customer_id) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.balance > :parameter_1::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE
  :parameter_1 = 10000000
  :as_of = 2026-11-21
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance > :parameter_1::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE))
 LIMIT :limit::BIGINT) AS found
  :parameter_1 = 10000000
  :as_of = 2026-11-21
  :limit = 9
-- counts
SELECT invoice_1.company_id, count(DISTINCT invoice_1.customer_id) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.balance > :parameter_1::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE GROUP BY invoice_1.company_id
  :parameter_1 = 10000000
  :as_of = 2026-11-21
-- nearest
SELECT count(*) FILTER (WHERE (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance > :param_1::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE)) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (EXISTS (SELECT 1
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id AND invoice_2.balance > :param_2::BIGINT AND invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed')) AND invoice_2.due_date < :as_of::DATE)) IS true AS column_3
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_3
WHERE invoice_3.company_id = :company::BIGINT AND invoice_3.customer_id = customer_1.id AND invoice_3.balance > :param_3::BIGINT AND invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed')) AND invoice_3.due_date < :as_of::DATE)) ORDER BY (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance > :param_1::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE)) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 10000000
  :as_of = 2026-11-21
  :param_2 = 10000000
  :param_3 = 10000000
  :limit = 1

---- customer, count, counts, of all: invoice.is_open AND payment.amount > 5 AND NO contact
-- count
SELECT count(DISTINCT invoice_1.customer_id) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND (EXISTS (SELECT 1
FROM payment AS payment_1
WHERE payment_1.company_id = :company::BIGINT AND payment_1.customer_id = invoice_1.customer_id AND payment_1.amount > :parameter_1::BIGINT)) AND NOT (EXISTS (SELECT 1
FROM contact AS contact_1
WHERE contact_1.company_id = :company::BIGINT AND contact_1.customer_id = invoice_1.customer_id))
  :parameter_1 = 50000
-- counts
SELECT invoice_1.company_id, count(DISTINCT invoice_1.customer_id) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND (EXISTS (SELECT 1
FROM payment AS payment_1
WHERE payment_1.company_id = invoice_1.company_id AND payment_1.customer_id = invoice_1.customer_id AND payment_1.amount > :parameter_1::BIGINT)) AND NOT (EXISTS (SELECT 1
FROM contact AS contact_1
WHERE contact_1.company_id = invoice_1.company_id AND contact_1.customer_id = invoice_1.customer_id)) GROUP BY invoice_1.company_id
  :parameter_1 = 50000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND invoice_as_of_1.balance != 0 AND (invoice_as_of_1.status NOT IN ('void', 'closed')))) AND (EXISTS (SELECT 1
FROM payment_as_of AS payment_as_of_1
WHERE payment_as_of_1.company_id = customer_1.company_id AND payment_as_of_1.customer_id = customer_1.id AND payment_as_of_1.amount > :parameter_1::BIGINT)) AND NOT (EXISTS (SELECT 1
FROM contact AS contact_1
WHERE contact_1.company_id = customer_1.company_id AND contact_1.customer_id = customer_1.id)) ORDER BY customer_1.source_id COLLATE "C"
  :parameter_1 = 50000

---- customer, count, of all: invoice.balance > customer.credit_limit
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END > customer_2.credit_limit))
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END > customer_2.credit_limit) ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2

---- customer, count, of all: invoice.balance > group.credit_limit
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = :company::BIGINT AND customer_group_1.id = customer_2.group_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END > CASE WHEN ((SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT) = customer_2.currency) THEN CAST(customer_group_1.credit_limit AS NUMERIC) ELSE sign(CAST(customer_group_1.credit_limit AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(customer_group_1.credit_limit AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = :company::BIGINT AND fx_latest_3.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = :company::BIGINT AND fx_latest_4.currency = customer_2.currency)) + :div_3::INTEGER, :div_4::INTEGER) END))
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 2
  :div_3 = 1
  :div_4 = 2
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = invoice_as_of_1.company_id AND customer_group_1.id = customer_2.group_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END > CASE WHEN ((SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = invoice_as_of_1.company_id) = customer_2.currency) THEN CAST(customer_group_1.credit_limit AS NUMERIC) ELSE sign(CAST(customer_group_1.credit_limit AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(customer_group_1.credit_limit AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = invoice_as_of_1.company_id AND fx_latest_3.currency = (SELECT company_2.base_currency
FROM company AS company_2
WHERE company_2.company_id = fx_latest_3.company_id)), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = invoice_as_of_1.company_id AND fx_latest_4.currency = customer_2.currency)) + :div_3::INTEGER, :div_4::INTEGER) END) ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 2
  :div_3 = 1
  :div_4 = 2

---- customer, count, nearest: invoice.due_date + 30 > today AND invoice.days_overdue > 5
-- count
SELECT count(DISTINCT invoice_1.customer_id) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.due_date + CASE WHEN (:param_1::BIGINT BETWEEN :param_2::BIGINT AND :param_3::BIGINT) THEN CAST(:param_1::BIGINT AS INTEGER) END > :param_4::DATE AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER)
  :param_1 = 30
  :param_2 = -73000
  :param_3 = 73000
  :param_4 = 2026-11-21
  :as_of = 2026-11-21
  :parameter_1 = 5
  :greatest_1 = -120000
  :least_1 = 120000
-- nearest
SELECT count(*) FILTER (WHERE (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.due_date + CASE WHEN (:param_1::BIGINT BETWEEN :param_2::BIGINT AND :param_3::BIGINT) THEN CAST(:param_1::BIGINT AS INTEGER) END > :param_4::DATE AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE - :param_5::INTEGER)) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (EXISTS (SELECT 1
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id AND invoice_2.due_date + CASE WHEN (:param_6::BIGINT BETWEEN :param_7::BIGINT AND :param_8::BIGINT) THEN CAST(:param_6::BIGINT AS INTEGER) END > :param_9::DATE AND invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed')) AND invoice_2.due_date < :as_of::DATE - :param_10::INTEGER)) IS true AS column_3
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_3
WHERE invoice_3.company_id = :company::BIGINT AND invoice_3.customer_id = customer_1.id AND invoice_3.due_date + CASE WHEN (:param_11::BIGINT BETWEEN :param_12::BIGINT AND :param_13::BIGINT) THEN CAST(:param_11::BIGINT AS INTEGER) END > :param_14::DATE AND invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed')) AND invoice_3.due_date < :as_of::DATE - :param_15::INTEGER)) ORDER BY (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.due_date + CASE WHEN (:param_1::BIGINT BETWEEN :param_2::BIGINT AND :param_3::BIGINT) THEN CAST(:param_1::BIGINT AS INTEGER) END > :param_4::DATE AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE - :param_5::INTEGER)) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 30
  :param_2 = -73000
  :param_3 = 73000
  :param_4 = 2026-11-21
  :as_of = 2026-11-21
  :param_5 = 5
  :param_6 = 30
  :param_7 = -73000
  :param_8 = 73000
  :param_9 = 2026-11-21
  :param_10 = 5
  :param_11 = 30
  :param_12 = -73000
  :param_13 = 73000
  :param_14 = 2026-11-21
  :param_15 = 5
  :limit = 1

---- customer, count, some, counts: ALL invoice (is_open)
-- count
SELECT count(*) AS count_1
FROM (SELECT invoice_1.customer_id AS customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING bool_and((invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) IS true)) AS groups
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id)) AND NOT (EXISTS (SELECT 1
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id AND (invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) IS NOT true))
 LIMIT :limit::BIGINT) AS found
  :limit = 9
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1
WHERE (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = customer_1.company_id AND invoice_1.customer_id = customer_1.id)) AND NOT (EXISTS (SELECT 1
FROM invoice AS invoice_2
WHERE invoice_2.company_id = customer_1.company_id AND invoice_2.customer_id = customer_1.id AND (invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) IS NOT true)) GROUP BY customer_1.company_id

---- customer, count, of all: ALL invoice (customer.rating = 'D' OR is_open)
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id)) AND NOT (EXISTS (SELECT 1
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id AND (customer_1.rating = :parameter_1::VARCHAR OR invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) IS NOT true))
  :parameter_1 = 'D'
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id)) AND NOT (EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_2
WHERE invoice_as_of_2.company_id = customer_1.company_id AND invoice_as_of_2.customer_id = customer_1.id AND (customer_1.rating = :parameter_1::VARCHAR OR invoice_as_of_2.balance != 0 AND (invoice_as_of_2.status NOT IN ('void', 'closed'))) IS NOT true)) ORDER BY customer_1.source_id COLLATE "C"
  :parameter_1 = 'D'

---- customer, count, some, counts, of all, nearest: COUNT(invoice WHERE is_open) > 2
-- count
SELECT count(*) AS count_1
FROM (SELECT invoice_1.customer_id AS customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING count(*) > :param_1::BIGINT) AS groups
  :param_1 = 2
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.id IN (SELECT invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING count(*) > :param_1::BIGINT)
 LIMIT :limit::BIGINT) AS found
  :param_1 = 2
  :limit = 9
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1
WHERE (customer_1.company_id, customer_1.id) IN (SELECT invoice_1.company_id, invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.company_id, invoice_1.customer_id
HAVING count(*) > :param_1::BIGINT) GROUP BY customer_1.company_id
  :param_1 = 2
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (customer_1.company_id, customer_1.id) IN (SELECT invoice_as_of_1.company_id, invoice_as_of_1.customer_id
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.balance != 0 AND (invoice_as_of_1.status NOT IN ('void', 'closed')) AND invoice_as_of_1.customer_id IS NOT NULL GROUP BY invoice_as_of_1.company_id, invoice_as_of_1.customer_id
HAVING count(*) > :param_1::BIGINT) ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2
-- nearest
SELECT count(*) FILTER (WHERE ((SELECT count(*) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) > :param_1::BIGINT) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, ((SELECT count(*) AS count_2
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id AND invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) > :param_2::BIGINT) IS true AS column_3, (SELECT count(*) AS count_3
FROM invoice AS invoice_3
WHERE invoice_3.company_id = :company::BIGINT AND invoice_3.customer_id = customer_1.id AND invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed'))) AS column_4, :param_3 AS column_5, :param_4::BIGINT AS column_6, :param_5 AS column_7
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (SELECT count(*) AS count_4
FROM invoice AS invoice_4
WHERE invoice_4.company_id = :company::BIGINT AND invoice_4.customer_id = customer_1.id AND invoice_4.balance != 0 AND (invoice_4.status NOT IN ('void', 'closed'))) > :param_6::BIGINT ORDER BY ((SELECT count(*) AS count_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) > :param_1::BIGINT) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 2
  :param_2 = 2
  :param_3 = 1
  :param_4 = 2
  :param_5 = 1
  :param_6 = 2
  :limit = 1

---- customer, count, counts: COUNT(invoice) < 3
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.id NOT IN (SELECT invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING (count(*) < :param_1::BIGINT) IS NOT true))
  :param_1 = 3
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1
WHERE ((customer_1.company_id, customer_1.id) NOT IN (SELECT invoice_1.company_id, invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.company_id, invoice_1.customer_id
HAVING (count(*) < :param_1::BIGINT) IS NOT true)) GROUP BY customer_1.company_id
  :param_1 = 3

---- customer, count, of all: NOT SUM(invoice.balance) BETWEEN -1 AND 2
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND ((customer_1.id NOT IN (SELECT invoice_1.customer_id
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING (nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) >= :param_2::BIGINT AND nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) <= :param_3::BIGINT) IS NOT true))) IS NOT true
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_2 = -10000
  :param_3 = 20000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (((customer_1.company_id, customer_1.id) NOT IN (SELECT invoice_as_of_1.company_id, invoice_as_of_1.customer_id
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.customer_id IS NOT NULL GROUP BY invoice_as_of_1.company_id, invoice_as_of_1.customer_id
HAVING (nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) >= :param_2::BIGINT AND nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) <= :param_3::BIGINT) IS NOT true))) IS NOT true ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_2 = -10000
  :param_3 = 20000

---- customer, count, of all: SUM(invoice.balance WHERE customer.rating = 'D') > 100 EUR
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND CASE WHEN (customer_1.currency = :param_1::VARCHAR) THEN CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC) ELSE sign(CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC)) * div(div(:param_4::INTEGER * abs(CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = :company::BIGINT AND fx_latest_3.currency = customer_1.currency), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = :company::BIGINT AND fx_latest_4.currency = :param_1::VARCHAR)) + :div_3::INTEGER, :div_4::INTEGER) END > :param_5::BIGINT
  :param_1 = 'EUR'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_3 = 'D'
  :param_4 = 2
  :div_3 = 1
  :div_4 = 2
  :param_5 = 1000000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE CASE WHEN (customer_1.currency = :param_1::VARCHAR) THEN CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC) ELSE sign(CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC)) * div(div(:param_4::INTEGER * abs(CAST((SELECT nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) AS nullif_1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND customer_1.rating = :param_3::VARCHAR) AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = customer_1.company_id AND fx_latest_3.currency = customer_1.currency), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = customer_1.company_id AND fx_latest_4.currency = :param_1::VARCHAR)) + :div_3::INTEGER, :div_4::INTEGER) END > :param_5::BIGINT ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 'EUR'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_3 = 'D'
  :param_4 = 2
  :div_3 = 1
  :div_4 = 2
  :param_5 = 1000000

---- customer, count: MAX(invoice.amount) > 100 USD
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND CASE WHEN (customer_1.currency = :param_1::VARCHAR) THEN CAST((SELECT CASE WHEN (count(*) FILTER (WHERE true) = count(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END)) THEN max(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END) END AS anon_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id) AS NUMERIC) ELSE sign(CAST((SELECT CASE WHEN (count(*) FILTER (WHERE true) = count(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END)) THEN max(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END) END AS anon_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id) AS NUMERIC)) * div(div(:param_3::INTEGER * abs(CAST((SELECT CASE WHEN (count(*) FILTER (WHERE true) = count(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END)) THEN max(CASE WHEN (invoice_1.currency = customer_2.currency) THEN CAST(invoice_1.amount AS NUMERIC) ELSE sign(CAST(invoice_1.amount AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(invoice_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END) END AS anon_1
FROM invoice AS invoice_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id) AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = :company::BIGINT AND fx_latest_3.currency = customer_1.currency), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = :company::BIGINT AND fx_latest_4.currency = :param_1::VARCHAR)) + :div_3::INTEGER, :div_4::INTEGER) END > :param_4::BIGINT
  :param_1 = 'USD'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :param_3 = 2
  :div_3 = 1
  :div_4 = 2
  :param_4 = 1000000

---- customer, count: COUNT(invoice) < 9223372036854775807 AND customer.strike + 1 < 9223372036854775808
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.id NOT IN (SELECT invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING (count(*) < :param_1::BIGINT) IS NOT true)) AND CAST(customer_1.strike AS NUMERIC) + CAST(:param_2::BIGINT AS NUMERIC) < :param_3
  :param_1 = 9223372036854775807
  :param_2 = 1
  :param_3 = 9223372036854775808

---- customer, count, nearest: AVG(invoice.days_overdue) > 3.5
-- count
SELECT count(*) AS count_1
FROM (SELECT invoice_1.customer_id AS customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING sign(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1) * div(div(:abs_1::INTEGER * abs(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1), CAST(nullif(count(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END), :nullif_1::INTEGER) AS NUMERIC)) + :div_1::INTEGER, :div_2::INTEGER) > :param_2::BIGINT) AS groups
  :as_of = 2026-11-21
  :param_1 = 10000
  :abs_1 = 2
  :nullif_1 = 0
  :div_1 = 1
  :div_2 = 2
  :param_2 = 35000
-- nearest
SELECT count(*) FILTER (WHERE ((SELECT sign(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1) * div(div(:abs_1::INTEGER * abs(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1), CAST(nullif(count(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END), :nullif_1::INTEGER) AS NUMERIC)) + :div_1::INTEGER, :div_2::INTEGER) AS anon_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id) > :param_2::BIGINT) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, ((SELECT sign(sum(CAST(CASE WHEN (invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_2.due_date END AS NUMERIC)) * :param_3) * div(div(:abs_2::INTEGER * abs(sum(CAST(CASE WHEN (invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_2.due_date END AS NUMERIC)) * :param_3), CAST(nullif(count(CASE WHEN (invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_2.due_date END), :nullif_2::INTEGER) AS NUMERIC)) + :div_3::INTEGER, :div_4::INTEGER) AS anon_2
FROM invoice AS invoice_2
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_1.id) > :param_4::BIGINT) IS true AS column_3, (SELECT sign(sum(CAST(CASE WHEN (invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_3.due_date END AS NUMERIC)) * :param_5) * div(div(:abs_3::INTEGER * abs(sum(CAST(CASE WHEN (invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_3.due_date END AS NUMERIC)) * :param_5), CAST(nullif(count(CASE WHEN (invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_3.due_date END), :nullif_3::INTEGER) AS NUMERIC)) + :div_5::INTEGER, :div_6::INTEGER) AS anon_3
FROM invoice AS invoice_3
WHERE invoice_3.company_id = :company::BIGINT AND invoice_3.customer_id = customer_1.id) AS column_4, :param_6 AS column_5, :param_7::BIGINT AS column_6, :param_8 AS column_7
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (SELECT sign(sum(CAST(CASE WHEN (invoice_4.balance != 0 AND (invoice_4.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_4.due_date END AS NUMERIC)) * :param_9) * div(div(:abs_4::INTEGER * abs(sum(CAST(CASE WHEN (invoice_4.balance != 0 AND (invoice_4.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_4.due_date END AS NUMERIC)) * :param_9), CAST(nullif(count(CASE WHEN (invoice_4.balance != 0 AND (invoice_4.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_4.due_date END), :nullif_4::INTEGER) AS NUMERIC)) + :div_7::INTEGER, :div_8::INTEGER) AS anon_4
FROM invoice AS invoice_4
WHERE invoice_4.company_id = :company::BIGINT AND invoice_4.customer_id = customer_1.id) > :param_10::BIGINT ORDER BY ((SELECT sign(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1) * div(div(:abs_1::INTEGER * abs(sum(CAST(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END AS NUMERIC)) * :param_1), CAST(nullif(count(CASE WHEN (invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))) THEN :as_of::DATE - invoice_1.due_date END), :nullif_1::INTEGER) AS NUMERIC)) + :div_1::INTEGER, :div_2::INTEGER) AS anon_1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id) > :param_2::BIGINT) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :as_of = 2026-11-21
  :param_1 = 10000
  :abs_1 = 2
  :nullif_1 = 0
  :div_1 = 1
  :div_2 = 2
  :param_2 = 35000
  :param_3 = 10000
  :abs_2 = 2
  :nullif_2 = 0
  :div_3 = 1
  :div_4 = 2
  :param_4 = 35000
  :param_5 = 10000
  :abs_3 = 2
  :nullif_3 = 0
  :div_5 = 1
  :div_6 = 2
  :param_6 = 10000
  :param_7 = 7
  :param_8 = 2
  :param_9 = 10000
  :abs_4 = 2
  :nullif_4 = 0
  :div_7 = 1
  :div_8 = 2
  :param_10 = 35000
  :limit = 1

---- customer, count, of all: MAX(invoice.due_date) < today AND MIN(payment.date) IS MISSING
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.id IN (SELECT invoice_1.customer_id
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id IS NOT NULL GROUP BY invoice_1.customer_id
HAVING max(invoice_1.due_date) < :param_1::DATE) AND (customer_1.id NOT IN (SELECT payment_1.customer_id
FROM payment AS payment_1
WHERE payment_1.company_id = :company::BIGINT AND payment_1.customer_id IS NOT NULL GROUP BY payment_1.customer_id
HAVING (min(payment_1.date) IS NULL) IS NOT true))
  :param_1 = 2026-11-21
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (customer_1.company_id, customer_1.id) IN (SELECT invoice_as_of_1.company_id, invoice_as_of_1.customer_id
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.customer_id IS NOT NULL GROUP BY invoice_as_of_1.company_id, invoice_as_of_1.customer_id
HAVING max(invoice_as_of_1.due_date) < :param_1::DATE) AND ((customer_1.company_id, customer_1.id) NOT IN (SELECT payment_as_of_1.company_id, payment_as_of_1.customer_id
FROM payment_as_of AS payment_as_of_1
WHERE payment_as_of_1.customer_id IS NOT NULL GROUP BY payment_as_of_1.company_id, payment_as_of_1.customer_id
HAVING (min(payment_as_of_1.date) IS NULL) IS NOT true)) ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2026-11-21

---- customer, count, of all, nearest: FIRST(invoice.balance WHERE is_open BY due_date DESC, status) > 5
-- count
SELECT count(*) AS count_1
FROM (SELECT firsts.key_0 AS key_0
FROM (SELECT DISTINCT ON (invoice_1.customer_id) invoice_1.customer_id AS key_0, CASE WHEN (invoice_1.currency = customer_1.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_1.currency)) + :div_1::INTEGER, :div_2::INTEGER) END AS value
FROM invoice AS invoice_1 JOIN customer AS customer_1 ON customer_1.company_id = :company::BIGINT AND customer_1.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.customer_id IS NOT NULL ORDER BY invoice_1.customer_id, invoice_1.due_date DESC NULLS LAST, invoice_1.status COLLATE "C" ASC NULLS LAST, invoice_1.source_id COLLATE "C") AS firsts
WHERE firsts.value > :param_2::BIGINT) AS groups
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 50000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (SELECT CASE WHEN (invoice_as_of_1.currency = customer_2.currency) THEN CAST(invoice_as_of_1.balance AS NUMERIC) ELSE sign(CAST(invoice_as_of_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_as_of_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = invoice_as_of_1.company_id AND fx_latest_1.currency = invoice_as_of_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = invoice_as_of_1.company_id AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END AS anon_1
FROM invoice_as_of AS invoice_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = invoice_as_of_1.company_id AND customer_2.id = invoice_as_of_1.customer_id
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND invoice_as_of_1.balance != 0 AND (invoice_as_of_1.status NOT IN ('void', 'closed')) ORDER BY invoice_as_of_1.due_date DESC NULLS LAST, invoice_as_of_1.status COLLATE "C" ASC NULLS LAST, invoice_as_of_1.source_id COLLATE "C"
 LIMIT :param_2::INTEGER) > :param_3::BIGINT ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 1
  :param_3 = 50000
-- nearest
SELECT count(*) FILTER (WHERE ((SELECT CASE WHEN (invoice_1.currency = customer_1.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_1.currency)) + :div_1::INTEGER, :div_2::INTEGER) END AS anon_1
FROM invoice AS invoice_1 JOIN customer AS customer_1 ON customer_1.company_id = :company::BIGINT AND customer_1.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_2.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) ORDER BY invoice_1.due_date DESC NULLS LAST, invoice_1.status COLLATE "C" ASC NULLS LAST, invoice_1.source_id COLLATE "C"
 LIMIT :param_2::INTEGER) > :param_3::BIGINT) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_2.source_id AS column_2, ((SELECT CASE WHEN (invoice_2.currency = customer_3.currency) THEN CAST(invoice_2.balance AS NUMERIC) ELSE sign(CAST(invoice_2.balance AS NUMERIC)) * div(div(:param_4::INTEGER * abs(CAST(invoice_2.balance AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = :company::BIGINT AND fx_latest_3.currency = invoice_2.currency), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = :company::BIGINT AND fx_latest_4.currency = customer_3.currency)) + :div_3::INTEGER, :div_4::INTEGER) END AS anon_2
FROM invoice AS invoice_2 JOIN customer AS customer_3 ON customer_3.company_id = :company::BIGINT AND customer_3.id = invoice_2.customer_id
WHERE invoice_2.company_id = :company::BIGINT AND invoice_2.customer_id = customer_2.id AND invoice_2.balance != 0 AND (invoice_2.status NOT IN ('void', 'closed')) ORDER BY invoice_2.due_date DESC NULLS LAST, invoice_2.status COLLATE "C" ASC NULLS LAST, invoice_2.source_id COLLATE "C"
 LIMIT :param_5::INTEGER) > :param_6::BIGINT) IS true AS column_3, (SELECT CASE WHEN (invoice_3.currency = customer_4.currency) THEN CAST(invoice_3.balance AS NUMERIC) ELSE sign(CAST(invoice_3.balance AS NUMERIC)) * div(div(:param_7::INTEGER * abs(CAST(invoice_3.balance AS NUMERIC)) * (SELECT fx_latest_5.rate
FROM fx_latest AS fx_latest_5
WHERE fx_latest_5.company_id = :company::BIGINT AND fx_latest_5.currency = invoice_3.currency), (SELECT fx_latest_6.rate
FROM fx_latest AS fx_latest_6
WHERE fx_latest_6.company_id = :company::BIGINT AND fx_latest_6.currency = customer_4.currency)) + :div_5::INTEGER, :div_6::INTEGER) END AS anon_3
FROM invoice AS invoice_3 JOIN customer AS customer_4 ON customer_4.company_id = :company::BIGINT AND customer_4.id = invoice_3.customer_id
WHERE invoice_3.company_id = :company::BIGINT AND invoice_3.customer_id = customer_2.id AND invoice_3.balance != 0 AND (invoice_3.status NOT IN ('void', 'closed')) ORDER BY invoice_3.due_date DESC NULLS LAST, invoice_3.status COLLATE "C" ASC NULLS LAST, invoice_3.source_id COLLATE "C"
 LIMIT :param_8::INTEGER) AS column_4, :param_9 AS column_5, :param_10::BIGINT AS column_6, :param_11 AS column_7
FROM customer AS customer_2
WHERE customer_2.company_id = :company::BIGINT AND (SELECT CASE WHEN (invoice_4.currency = customer_5.currency) THEN CAST(invoice_4.balance AS NUMERIC) ELSE sign(CAST(invoice_4.balance AS NUMERIC)) * div(div(:param_12::INTEGER * abs(CAST(invoice_4.balance AS NUMERIC)) * (SELECT fx_latest_7.rate
FROM fx_latest AS fx_latest_7
WHERE fx_latest_7.company_id = :company::BIGINT AND fx_latest_7.currency = invoice_4.currency), (SELECT fx_latest_8.rate
FROM fx_latest AS fx_latest_8
WHERE fx_latest_8.company_id = :company::BIGINT AND fx_latest_8.currency = customer_5.currency)) + :div_7::INTEGER, :div_8::INTEGER) END AS anon_4
FROM invoice AS invoice_4 JOIN customer AS customer_5 ON customer_5.company_id = :company::BIGINT AND customer_5.id = invoice_4.customer_id
WHERE invoice_4.company_id = :company::BIGINT AND invoice_4.customer_id = customer_2.id AND invoice_4.balance != 0 AND (invoice_4.status NOT IN ('void', 'closed')) ORDER BY invoice_4.due_date DESC NULLS LAST, invoice_4.status COLLATE "C" ASC NULLS LAST, invoice_4.source_id COLLATE "C"
 LIMIT :param_13::INTEGER) > :param_14::BIGINT ORDER BY ((SELECT CASE WHEN (invoice_1.currency = customer_1.currency) THEN CAST(invoice_1.balance AS NUMERIC) ELSE sign(CAST(invoice_1.balance AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(invoice_1.balance AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = invoice_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_1.currency)) + :div_1::INTEGER, :div_2::INTEGER) END AS anon_1
FROM invoice AS invoice_1 JOIN customer AS customer_1 ON customer_1.company_id = :company::BIGINT AND customer_1.id = invoice_1.customer_id
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_2.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) ORDER BY invoice_1.due_date DESC NULLS LAST, invoice_1.status COLLATE "C" ASC NULLS LAST, invoice_1.source_id COLLATE "C"
 LIMIT :param_2::INTEGER) > :param_3::BIGINT) IS true DESC, customer_2.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 1
  :param_3 = 50000
  :param_4 = 2
  :div_3 = 1
  :div_4 = 2
  :param_5 = 1
  :param_6 = 50000
  :param_7 = 2
  :div_5 = 1
  :div_6 = 2
  :param_8 = 1
  :param_9 = 10000
  :param_10 = 5
  :param_11 = 1
  :param_12 = 2
  :div_7 = 1
  :div_8 = 2
  :param_13 = 1
  :param_14 = 50000
  :limit = 1

---- customer, count: FIRST(payment.source BY amount) != 'x'
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.id NOT IN (SELECT firsts.key_0
FROM (SELECT DISTINCT ON (payment_1.customer_id) payment_1.customer_id AS key_0, payment_1.source AS value
FROM payment AS payment_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = payment_1.customer_id
WHERE payment_1.company_id = :company::BIGINT AND payment_1.customer_id IS NOT NULL ORDER BY payment_1.customer_id, CASE WHEN (payment_1.currency = customer_2.currency) THEN CAST(payment_1.amount AS NUMERIC) ELSE sign(CAST(payment_1.amount AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(payment_1.amount AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = payment_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = customer_2.currency)) + :div_1::INTEGER, :div_2::INTEGER) END ASC NULLS LAST, payment_1.source_id COLLATE "C") AS firsts
WHERE ((firsts.value = :param_2::VARCHAR) IS NOT true) IS NOT true))
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 'x'

---- customer, count, of all: COUNT(invoice WHERE ANY payment (amount > 5)) > customer.strike
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (SELECT count(*) AS count_2
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND (EXISTS (SELECT 1
FROM payment AS payment_1
WHERE payment_1.company_id = :company::BIGINT AND payment_1.customer_id = invoice_1.customer_id AND payment_1.amount > :param_1::BIGINT))) > customer_1.strike
  :param_1 = 50000
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE (SELECT count(*) AS count_1
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND (EXISTS (SELECT 1
FROM payment_as_of AS payment_as_of_1
WHERE payment_as_of_1.company_id = invoice_as_of_1.company_id AND payment_as_of_1.customer_id = invoice_as_of_1.customer_id AND payment_as_of_1.amount > :param_1::BIGINT))) > customer_1.strike ORDER BY customer_1.source_id COLLATE "C"
  :param_1 = 50000

---- customer, count, of all: ANY invoice (is_open AND ANY payment (amount > 5 AND customer.rating = 'D'))
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND (EXISTS (SELECT 1
FROM payment AS payment_1 JOIN customer AS customer_2 ON customer_2.company_id = :company::BIGINT AND customer_2.id = payment_1.customer_id
WHERE payment_1.company_id = :company::BIGINT AND payment_1.customer_id = invoice_1.customer_id AND payment_1.amount > :parameter_1::BIGINT AND customer_2.rating = :parameter_2::VARCHAR))))
  :parameter_1 = 50000
  :parameter_2 = 'D'
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1
WHERE EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND invoice_as_of_1.balance != 0 AND (invoice_as_of_1.status NOT IN ('void', 'closed')) AND (EXISTS (SELECT 1
FROM payment_as_of AS payment_as_of_1 JOIN customer AS customer_2 ON customer_2.company_id = payment_as_of_1.company_id AND customer_2.id = payment_as_of_1.customer_id
WHERE payment_as_of_1.company_id = invoice_as_of_1.company_id AND payment_as_of_1.customer_id = invoice_as_of_1.customer_id AND payment_as_of_1.amount > :parameter_1::BIGINT AND customer_2.rating = :parameter_2::VARCHAR))) ORDER BY customer_1.source_id COLLATE "C"
  :parameter_1 = 50000
  :parameter_2 = 'D'

---- customer, count, of all, nearest: group.chasing_paused
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id IN (SELECT customer_group_1.id
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND customer_group_1.chasing_paused)
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1 LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = customer_1.company_id AND customer_group_1.id = customer_1.group_id
WHERE customer_group_1.chasing_paused ORDER BY customer_1.source_id COLLATE "C"
-- nearest
SELECT count(*) FILTER (WHERE (customer_1.group_id IN (SELECT customer_group_1.id
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND customer_group_1.chasing_paused)) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_1.source_id AS column_2, (customer_1.group_id IN (SELECT customer_group_2.id
FROM customer_group AS customer_group_2
WHERE customer_group_2.company_id = :company::BIGINT AND customer_group_2.chasing_paused)) IS true AS column_3, customer_group_3.chasing_paused AS column_4
FROM customer AS customer_1 LEFT OUTER JOIN customer_group AS customer_group_3 ON customer_group_3.company_id = :company::BIGINT AND customer_group_3.id = customer_1.group_id
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id IN (SELECT customer_group_4.id
FROM customer_group AS customer_group_4
WHERE customer_group_4.company_id = :company::BIGINT AND customer_group_4.chasing_paused) ORDER BY (customer_1.group_id IN (SELECT customer_group_1.id
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND customer_group_1.chasing_paused)) IS true DESC, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :limit = 1

---- customer, count: group.name != 'x' AND NOT group.balance_total > 5 EUR
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND (customer_1.group_id IN (SELECT customer_group_1.id
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND ((customer_group_1.name = :parameter_1::VARCHAR) IS NOT true) IS NOT true)) IS NOT true AND (customer_1.group_id IN (SELECT customer_group_2.id
FROM customer_group AS customer_group_2 JOIN group_metrics AS group_metrics_1 ON group_metrics_1.company_id = :company::BIGINT AND group_metrics_1.group_id = customer_group_2.id
WHERE customer_group_2.company_id = :company::BIGINT AND CASE WHEN ((SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT) = :param_1::VARCHAR) THEN CAST(group_metrics_1.balance_total AS NUMERIC) ELSE sign(CAST(group_metrics_1.balance_total AS NUMERIC)) * div(div(:param_2::INTEGER * abs(CAST(group_metrics_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = :param_1::VARCHAR)) + :div_1::INTEGER, :div_2::INTEGER) END > :param_3::BIGINT)) IS NOT true
  :parameter_1 = 'x'
  :param_1 = 'EUR'
  :param_2 = 2
  :div_1 = 1
  :div_2 = 2
  :param_3 = 50000

---- customer, count, upwards, downwards, counts: group.credit_limit IS MISSING OR group.tags HAS ANY ('x')
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND ((customer_1.group_id IN (SELECT customer_group_1.id
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND (customer_group_1.credit_limit IS NULL) IS NOT true)) IS NOT true OR customer_1.group_id IN (SELECT customer_group_2.id
FROM customer_group AS customer_group_2
WHERE customer_group_2.company_id = :company::BIGINT AND (customer_group_2.tags && :parameter_1::TEXT[])))
  :parameter_1 = ['x']
-- upwards
SELECT customer_group_1.credit_limit AS "group.credit_limit", nullif(customer_group_1.tags, '{}'::text[]) AS "group.tags", CAST(customer_group_1.credit_limit AS TEXT) AS ordered_by
FROM customer AS customer_1 LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = :company::BIGINT AND customer_group_1.id = customer_1.group_id
WHERE customer_1.company_id = :company::BIGINT AND ((customer_1.group_id IN (SELECT customer_group_2.id
FROM customer_group AS customer_group_2
WHERE customer_group_2.company_id = :company::BIGINT AND (customer_group_2.credit_limit IS NULL) IS NOT true)) IS NOT true OR customer_1.group_id IN (SELECT customer_group_3.id
FROM customer_group AS customer_group_3
WHERE customer_group_3.company_id = :company::BIGINT AND (customer_group_3.tags && :parameter_1::TEXT[]))) ORDER BY customer_group_1.credit_limit ASC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :parameter_1 = ['x']
  :limit = 5
-- downwards
SELECT customer_group_1.credit_limit AS "group.credit_limit", nullif(customer_group_1.tags, '{}'::text[]) AS "group.tags", CAST(nullif(customer_group_1.tags, '{}'::text[]) AS TEXT) AS ordered_by
FROM customer AS customer_1 LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = :company::BIGINT AND customer_group_1.id = customer_1.group_id
WHERE customer_1.company_id = :company::BIGINT AND ((customer_1.group_id IN (SELECT customer_group_2.id
FROM customer_group AS customer_group_2
WHERE customer_group_2.company_id = :company::BIGINT AND (customer_group_2.credit_limit IS NULL) IS NOT true)) IS NOT true OR customer_1.group_id IN (SELECT customer_group_3.id
FROM customer_group AS customer_group_3
WHERE customer_group_3.company_id = :company::BIGINT AND (customer_group_3.tags && :parameter_1::TEXT[]))) AND (nullif(customer_group_1.tags, '{}'::text[]) < CAST(:after_value::VARCHAR AS NUMERIC) OR nullif(customer_group_1.tags, '{}'::text[]) = CAST(:after_value::VARCHAR AS NUMERIC) AND (customer_1.source_id COLLATE "C") > :after::VARCHAR OR nullif(customer_group_1.tags, '{}'::text[]) IS NULL) ORDER BY nullif(customer_group_1.tags, '{}'::text[]) DESC NULLS LAST, customer_1.source_id COLLATE "C"
  :parameter_1 = ['x']
  :after_value = '0'
  :after = 'C1'
-- counts
SELECT customer_1.company_id, count(*) AS count_1
FROM customer AS customer_1 LEFT OUTER JOIN customer_group AS customer_group_1 ON customer_group_1.company_id = customer_1.company_id AND customer_group_1.id = customer_1.group_id
WHERE customer_group_1.credit_limit IS NULL OR (customer_group_1.tags && :parameter_1::TEXT[]) GROUP BY customer_1.company_id
  :parameter_1 = ['x']

---- customer, count, of all: company.dso > 30
-- count
SELECT count(*) AS count_1
FROM customer AS customer_1 JOIN company_metrics AS company_metrics_1 ON company_metrics_1.company_id = :company::BIGINT
WHERE customer_1.company_id = :company::BIGINT AND company_metrics_1.dso > :parameter_1::BIGINT
  :parameter_1 = 30
-- of all
SELECT customer_1.company_id, customer_1.source_id AS source_id
FROM customer AS customer_1 JOIN company_metrics_as_of AS company_metrics_as_of_1 ON company_metrics_as_of_1.company_id = customer_1.company_id
WHERE company_metrics_as_of_1.dso > :parameter_1::BIGINT ORDER BY customer_1.source_id COLLATE "C"
  :parameter_1 = 30

---- group, count, upwards, counts: group.max_days_overdue > 30
-- count
SELECT count(*) AS count_1
FROM group_metrics AS group_metrics_1
WHERE group_metrics_1.company_id = :company::BIGINT AND group_metrics_1.overdue_since < :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER)
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000
-- upwards
SELECT :as_of::DATE - group_metrics_1.overdue_since AS max_days_overdue, CAST(:as_of::DATE - group_metrics_1.overdue_since AS TEXT) AS ordered_by
FROM customer_group AS customer_group_1 JOIN group_metrics AS group_metrics_1 ON group_metrics_1.company_id = :company::BIGINT AND group_metrics_1.group_id = customer_group_1.id
WHERE customer_group_1.company_id = :company::BIGINT AND group_metrics_1.overdue_since < :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER) ORDER BY :as_of::DATE - group_metrics_1.overdue_since ASC NULLS LAST, customer_group_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000
  :limit = 5
-- counts
SELECT group_metrics_live_1.company_id, count(*) AS count_1
FROM group_metrics_live AS group_metrics_live_1
WHERE group_metrics_live_1.overdue_since < :as_of::DATE - CAST(least(greatest(:parameter_1::BIGINT, :greatest_1::INTEGER), :least_1::INTEGER) AS INTEGER) GROUP BY group_metrics_live_1.company_id
  :as_of = 2026-11-21
  :parameter_1 = 30
  :greatest_1 = -120000
  :least_1 = 120000

---- group, count, counts: COUNT(customer) > 2
-- count
SELECT count(*) AS count_1
FROM (SELECT customer_1.group_id AS group_id
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id IS NOT NULL GROUP BY customer_1.group_id
HAVING count(*) > :param_1::BIGINT) AS groups
  :param_1 = 2
-- counts
SELECT customer_group_1.company_id, count(*) AS count_1
FROM customer_group AS customer_group_1
WHERE (customer_group_1.company_id, customer_group_1.id) IN (SELECT customer_1.company_id, customer_1.group_id
FROM customer AS customer_1
WHERE customer_1.group_id IS NOT NULL GROUP BY customer_1.company_id, customer_1.group_id
HAVING count(*) > :param_1::BIGINT) GROUP BY customer_group_1.company_id
  :param_1 = 2

---- group, count, of all: SUM(customer.balance_total) > 5
-- count
SELECT count(*) AS count_1
FROM (SELECT customer_1.group_id AS group_id
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id IS NOT NULL GROUP BY customer_1.group_id
HAVING nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (customer_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)) THEN CAST(customer_metrics_1.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_1.balance_total AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(customer_metrics_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT))) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) > :param_2::BIGINT) AS groups
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_2 = 50000
-- of all
SELECT customer_group_1.company_id, customer_group_1.source_id AS source_id
FROM customer_group AS customer_group_1
WHERE (customer_group_1.company_id, customer_group_1.id) IN (SELECT customer_1.company_id, customer_1.group_id
FROM customer AS customer_1 JOIN customer_metrics_as_of AS customer_metrics_as_of_1 ON customer_metrics_as_of_1.company_id = customer_1.company_id AND customer_metrics_as_of_1.customer_id = customer_1.id
WHERE customer_1.group_id IS NOT NULL GROUP BY customer_1.company_id, customer_1.group_id
HAVING nullif(coalesce(sum(CASE WHEN true THEN coalesce(CASE WHEN (customer_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = customer_1.company_id)) THEN CAST(customer_metrics_as_of_1.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_as_of_1.balance_total AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(customer_metrics_as_of_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = customer_1.company_id AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = customer_1.company_id AND fx_latest_2.currency = (SELECT company_2.base_currency
FROM company AS company_2
WHERE company_2.company_id = fx_latest_2.company_id))) + :div_1::INTEGER, :div_2::INTEGER) END, 'NaN'::numeric) END), :coalesce_1::INTEGER), 'NaN'::numeric) > :param_2::BIGINT) ORDER BY customer_group_1.source_id COLLATE "C"
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :coalesce_1 = 0
  :param_2 = 50000

---- group, count, some: customer.rating = 'D' AND invoice.is_open
-- count
SELECT count(DISTINCT customer_1.group_id) AS count_1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.rating = :parameter_1::VARCHAR AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))))
  :parameter_1 = 'D'
-- some
SELECT count(*) AS count_1
FROM (SELECT 1
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND (EXISTS (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id = customer_group_1.id AND customer_1.rating = :parameter_1::VARCHAR AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed'))))))
 LIMIT :limit::BIGINT) AS found
  :parameter_1 = 'D'
  :limit = 9

---- group, count, of all: NO customer (ANY invoice (is_overdue))
-- count
SELECT count(*) AS count_1
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND NOT (EXISTS (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id = customer_group_1.id AND (EXISTS (SELECT 1
FROM invoice AS invoice_1
WHERE invoice_1.company_id = :company::BIGINT AND invoice_1.customer_id = customer_1.id AND invoice_1.balance != 0 AND (invoice_1.status NOT IN ('void', 'closed')) AND invoice_1.due_date < :as_of::DATE))))
  :as_of = 2026-11-21
-- of all
SELECT customer_group_1.company_id, customer_group_1.source_id AS source_id
FROM customer_group AS customer_group_1
WHERE NOT (EXISTS (SELECT 1
FROM customer AS customer_1
WHERE customer_1.company_id = customer_group_1.company_id AND customer_1.group_id = customer_group_1.id AND (EXISTS (SELECT 1
FROM invoice_as_of AS invoice_as_of_1
WHERE invoice_as_of_1.company_id = customer_1.company_id AND invoice_as_of_1.customer_id = customer_1.id AND invoice_as_of_1.balance != 0 AND (invoice_as_of_1.status NOT IN ('void', 'closed')) AND invoice_as_of_1.due_date < :as_of::DATE)))) ORDER BY customer_group_1.source_id COLLATE "C"
  :as_of = 2026-11-21

---- group, count, nearest: FIRST(customer.name BY balance_total DESC) = 'x'
-- count
SELECT count(*) AS count_1
FROM (SELECT firsts.key_0 AS key_0
FROM (SELECT DISTINCT ON (customer_1.group_id) customer_1.group_id AS key_0, customer_1.name AS value
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id IS NOT NULL ORDER BY customer_1.group_id, CASE WHEN (customer_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)) THEN CAST(customer_metrics_1.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_1.balance_total AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(customer_metrics_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT))) + :div_1::INTEGER, :div_2::INTEGER) END DESC NULLS LAST, customer_1.source_id COLLATE "C") AS firsts
WHERE firsts.value = :param_2::VARCHAR) AS groups
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 'x'
-- nearest
SELECT count(*) FILTER (WHERE ((SELECT customer_1.name
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id = customer_group_1.id ORDER BY CASE WHEN (customer_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)) THEN CAST(customer_metrics_1.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_1.balance_total AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(customer_metrics_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT))) + :div_1::INTEGER, :div_2::INTEGER) END DESC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :param_2::INTEGER) = :param_3::VARCHAR) IS true) OVER () AS column_0, count(*) OVER () AS column_1, customer_group_1.source_id AS column_2, ((SELECT customer_2.name
FROM customer AS customer_2 JOIN customer_metrics AS customer_metrics_2 ON customer_metrics_2.company_id = :company::BIGINT AND customer_metrics_2.customer_id = customer_2.id
WHERE customer_2.company_id = :company::BIGINT AND customer_2.group_id = customer_group_1.id ORDER BY CASE WHEN (customer_2.currency = (SELECT company_2.base_currency
FROM company AS company_2
WHERE company_2.company_id = :company::BIGINT)) THEN CAST(customer_metrics_2.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_2.balance_total AS NUMERIC)) * div(div(:param_4::INTEGER * abs(CAST(customer_metrics_2.balance_total AS NUMERIC)) * (SELECT fx_latest_3.rate
FROM fx_latest AS fx_latest_3
WHERE fx_latest_3.company_id = :company::BIGINT AND fx_latest_3.currency = customer_2.currency), (SELECT fx_latest_4.rate
FROM fx_latest AS fx_latest_4
WHERE fx_latest_4.company_id = :company::BIGINT AND fx_latest_4.currency = (SELECT company_2.base_currency
FROM company AS company_2
WHERE company_2.company_id = :company::BIGINT))) + :div_3::INTEGER, :div_4::INTEGER) END DESC NULLS LAST, customer_2.source_id COLLATE "C"
 LIMIT :param_5::INTEGER) = :param_6::VARCHAR) IS true AS column_3, (SELECT customer_3.name
FROM customer AS customer_3 JOIN customer_metrics AS customer_metrics_3 ON customer_metrics_3.company_id = :company::BIGINT AND customer_metrics_3.customer_id = customer_3.id
WHERE customer_3.company_id = :company::BIGINT AND customer_3.group_id = customer_group_1.id ORDER BY CASE WHEN (customer_3.currency = (SELECT company_3.base_currency
FROM company AS company_3
WHERE company_3.company_id = :company::BIGINT)) THEN CAST(customer_metrics_3.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_3.balance_total AS NUMERIC)) * div(div(:param_7::INTEGER * abs(CAST(customer_metrics_3.balance_total AS NUMERIC)) * (SELECT fx_latest_5.rate
FROM fx_latest AS fx_latest_5
WHERE fx_latest_5.company_id = :company::BIGINT AND fx_latest_5.currency = customer_3.currency), (SELECT fx_latest_6.rate
FROM fx_latest AS fx_latest_6
WHERE fx_latest_6.company_id = :company::BIGINT AND fx_latest_6.currency = (SELECT company_3.base_currency
FROM company AS company_3
WHERE company_3.company_id = :company::BIGINT))) + :div_5::INTEGER, :div_6::INTEGER) END DESC NULLS LAST, customer_3.source_id COLLATE "C"
 LIMIT :param_8::INTEGER) AS column_4, :param_9::VARCHAR AS column_5
FROM customer_group AS customer_group_1
WHERE customer_group_1.company_id = :company::BIGINT AND (SELECT customer_4.name
FROM customer AS customer_4 JOIN customer_metrics AS customer_metrics_4 ON customer_metrics_4.company_id = :company::BIGINT AND customer_metrics_4.customer_id = customer_4.id
WHERE customer_4.company_id = :company::BIGINT AND customer_4.group_id = customer_group_1.id ORDER BY CASE WHEN (customer_4.currency = (SELECT company_4.base_currency
FROM company AS company_4
WHERE company_4.company_id = :company::BIGINT)) THEN CAST(customer_metrics_4.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_4.balance_total AS NUMERIC)) * div(div(:param_10::INTEGER * abs(CAST(customer_metrics_4.balance_total AS NUMERIC)) * (SELECT fx_latest_7.rate
FROM fx_latest AS fx_latest_7
WHERE fx_latest_7.company_id = :company::BIGINT AND fx_latest_7.currency = customer_4.currency), (SELECT fx_latest_8.rate
FROM fx_latest AS fx_latest_8
WHERE fx_latest_8.company_id = :company::BIGINT AND fx_latest_8.currency = (SELECT company_4.base_currency
FROM company AS company_4
WHERE company_4.company_id = :company::BIGINT))) + :div_7::INTEGER, :div_8::INTEGER) END DESC NULLS LAST, customer_4.source_id COLLATE "C"
 LIMIT :param_11::INTEGER) = :param_12::VARCHAR ORDER BY ((SELECT customer_1.name
FROM customer AS customer_1 JOIN customer_metrics AS customer_metrics_1 ON customer_metrics_1.company_id = :company::BIGINT AND customer_metrics_1.customer_id = customer_1.id
WHERE customer_1.company_id = :company::BIGINT AND customer_1.group_id = customer_group_1.id ORDER BY CASE WHEN (customer_1.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT)) THEN CAST(customer_metrics_1.balance_total AS NUMERIC) ELSE sign(CAST(customer_metrics_1.balance_total AS NUMERIC)) * div(div(:param_1::INTEGER * abs(CAST(customer_metrics_1.balance_total AS NUMERIC)) * (SELECT fx_latest_1.rate
FROM fx_latest AS fx_latest_1
WHERE fx_latest_1.company_id = :company::BIGINT AND fx_latest_1.currency = customer_1.currency), (SELECT fx_latest_2.rate
FROM fx_latest AS fx_latest_2
WHERE fx_latest_2.company_id = :company::BIGINT AND fx_latest_2.currency = (SELECT company_1.base_currency
FROM company AS company_1
WHERE company_1.company_id = :company::BIGINT))) + :div_1::INTEGER, :div_2::INTEGER) END DESC NULLS LAST, customer_1.source_id COLLATE "C"
 LIMIT :param_2::INTEGER) = :param_3::VARCHAR) IS true DESC, customer_group_1.source_id COLLATE "C"
 LIMIT :limit::BIGINT
  :param_1 = 2
  :div_1 = 1
  :div_2 = 2
  :param_2 = 1
  :param_3 = 'x'
  :param_4 = 2
  :div_3 = 1
  :div_4 = 2
  :param_5 = 1
  :param_6 = 'x'
  :param_7 = 2
  :div_5 = 1
  :div_6 = 2
  :param_8 = 1
  :param_9 = 'x'
  :param_10 = 2
  :div_7 = 1
  :div_8 = 2
  :param_11 = 1
  :param_12 = 'x'
  :limit = 1
