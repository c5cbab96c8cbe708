-- Puts every dead letter into the queue again, each once: psql "$DATABASE_URL" -f replay.sql
with again as (
    delete from dead_letters where worker = 'invoices' returning payload, request_id
)
insert into jobs (order_id, request_id) select payload::bigint, request_id from again;
