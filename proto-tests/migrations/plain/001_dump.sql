\restrict token
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.items (
    id integer NOT NULL,
    label character varying(20)
);
CREATE SEQUENCE public.items_id_seq AS integer START WITH 1;
-- expect: bounded
ALTER TABLE ONLY public.items ALTER COLUMN id SET DEFAULT nextval('public.items_id_seq'::regclass);
COPY public.items (id, label) FROM stdin;
1	drop table items;
2	\N
\.

-- expect: warn integer-key
ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (id);
CREATE INDEX CONCURRENTLY items_label ON public.items (label);
\unrestrict token
