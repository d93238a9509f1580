# In place of postgres:17: Debian's PostgreSQL 17 with what the official image's
# entrypoint does for docker-compose.yml.
FROM localhost/images-check/debian
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-17 && \
    apt-get clean && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/17
COPY postgres-entrypoint /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/17/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN mkdir -p $PGDATA && chown -R postgres:postgres /var/lib/postgresql
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint"]
CMD ["postgres"]
