-- Run once, by the image, when the volume is empty. What the tracking server's password can be used for ends at its own
-- database: its role is no superuser.
\set password `cat /etc/database/tracking`
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE CONNECT ON DATABASE mlflow FROM PUBLIC;
