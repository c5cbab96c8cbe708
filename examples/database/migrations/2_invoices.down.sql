drop table invoices;
drop table prices;

delete from schema_versions where version = 2;
