drop table dead_letters;
drop table jobs;
drop table orders;

delete from schema_versions where version = 1;
