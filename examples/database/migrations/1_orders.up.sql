create table orders (
    id bigint generated always as identity primary key,
    item text not null,
    quantity integer not null check (quantity > 0),
    placed_at timestamptz not null default now()
);

-- A job is free when its lease is over; `handed_out` tells one lease from the next. Whoever gives it back says how often it
-- was tried.
create table jobs (
    id bigint generated always as identity primary key,
    order_id bigint not null references orders,
    request_id text,
    handed_out integer not null default 0,
    given_back integer not null default 0,
    attempts bigint not null default 0,
    leased_until timestamptz not null default now()
);
create index jobs_by_lease on jobs (leased_until);

create table dead_letters (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    worker text not null,
    reason text not null,
    attempts bigint not null,
    request_id text,
    payload text not null
);

insert into schema_versions (version) values (1);
