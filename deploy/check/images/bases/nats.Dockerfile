# In place of nats:…-alpine: the server of the Go module and busybox, run by root
# as in the official image.
FROM localhost/images-check/debian AS debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends busybox-static
RUN mkdir -p /out/bin /out/tmp /out/etc/nats && cp /usr/bin/busybox /out/bin/ && \
    for tool in sh wget; do ln -s busybox /out/bin/$tool; done
FROM scratch
COPY --from=debian /out /
COPY nats-server nats-entrypoint /usr/local/bin/
ENV PATH=/usr/local/bin:/bin
EXPOSE 4222 6222 8222
ENTRYPOINT ["nats-entrypoint"]
CMD ["nats-server"]
