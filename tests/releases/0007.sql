-- What the release of migration 0007 writes, frozen with it: a row in each table.
INSERT INTO api_key (company_id, prefix, salt, hash, scope) VALUES (1, 'p', '', '', 'read');
INSERT INTO customer_group (company_id, id, source_id) VALUES (1, 1, 'g');
INSERT INTO customer (company_id, id, source_id, group_id, name, currency)
    VALUES (1, 1, 'c', 1, 'C', 'EUR');
INSERT INTO contact (company_id, customer_id, source_id) VALUES (1, 1, 'k');
INSERT INTO invoice (company_id, customer_id, id, source_id, issue_date, amount, balance, currency, status)
    VALUES (1, 1, 1, 'i', '2026-01-01', 1, 1, 'EUR', 'open');
INSERT INTO payment (company_id, customer_id, id, source_id, date, amount, amount_remaining, currency, status, kind)
    VALUES (1, 1, 1, 'p', '2026-01-01', 1, 1, 'EUR', 'paid', 'payment');
INSERT INTO credit_note (company_id, customer_id, source_id, issue_date, amount, amount_remaining, currency, status)
    VALUES (1, 1, 'n', '2026-01-01', 1, 1, 'EUR', 'unapplied');
INSERT INTO journal (company_id, customer_id, source_id, date, amount, balance, currency)
    VALUES (1, 1, 'j', '2026-01-01', 1, 1, 'EUR');
INSERT INTO activity (company_id, customer_id, source_id, at, date, by, kind)
    VALUES (1, 1, 'a', '2026-01-01', '2026-01-01', 'company', 'email');
INSERT INTO promise (company_id, customer_id, source_id, due_date, amount, status, currency)
    VALUES (1, 1, 'm', '2026-01-01', 1, 'active', 'EUR');
INSERT INTO allocation (company_id, customer_id, invoice_id, source_customer_id, payment_id, ordinal, amount, date)
    VALUES (1, 1, 1, 1, 1, 1, 1, '2026-01-01');
INSERT INTO fx_rate (company_id, currency, date, rate) VALUES (1, 'USD', '2026-01-01', 1);
INSERT INTO custom_field (company_id, entity, name, type, label) VALUES (1, 'customer', 'x', 'text', 'x');
INSERT INTO segment (company_id, name, filter, version, catalog_version, changed_by)
    VALUES (1, 's', 'customer.strike = 1', 1, 1, 'us');
INSERT INTO workflow (company_id, id, name, version) VALUES (1, 1, 'w', 1);
INSERT INTO workflow_version (company_id, workflow_id, version, name, level, filter, respect_pauses, is_active,
    catalog_version, changed_by)
    VALUES (1, 1, 1, 'w', 'customer', 'customer.strike = 1', true, true, 1, 'us');
INSERT INTO run (company_id, id, workflow_id, workflow_version, as_of, level, filter, english, segments,
    respect_pauses, counts, request, started_by)
    VALUES (1, 1, 1, 1, '2026-01-01', 'customer', 'x', 'x', '{}', true, '{}', '{}', 'us');
INSERT INTO run_row (company_id, run_id, kind, source_id, is_held_back)
    VALUES (1, 1, 'customers', 'c', false);
INSERT INTO webhook (company_id, url, secret, changed_by) VALUES (1, 'https://x', 'x', 'us');
INSERT INTO delivery (company_id, run_id) VALUES (1, 1);
INSERT INTO metrics_day VALUES (1, '2026-01-01') ON CONFLICT (company_id) DO UPDATE SET as_of = EXCLUDED.as_of;
INSERT INTO touched_customer SELECT DISTINCT 1::bigint, id FROM customer ON CONFLICT DO NOTHING;
INSERT INTO touched_group SELECT DISTINCT 1::bigint, id FROM customer_group ON CONFLICT DO NOTHING;
