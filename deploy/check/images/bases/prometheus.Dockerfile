# In place of prom/prometheus: the server of the Go module, without its pages,
# for nobody as in the official image.
FROM localhost/images-check/debian AS debian
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends busybox-static
RUN mkdir -p /out/bin /out/etc/prometheus /out/prometheus && cp /usr/bin/busybox /out/bin/ && ln -s busybox /out/bin/wget && \
    chown 65534:65534 /out/prometheus
FROM scratch
COPY --from=debian /out /
COPY prometheus /bin/
USER 65534
WORKDIR /prometheus
EXPOSE 9090
VOLUME /prometheus
ENTRYPOINT ["/bin/prometheus"]
