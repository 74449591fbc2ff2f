# In the place of the official slim Python: the same commands, Debian's interpreter.
ARG DEBIAN
FROM ${DEBIAN}
RUN apt-get -qq update \
  && apt-get -qq install -y --no-install-recommends python3 python3-venv >/dev/null \
  && rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* \
  && ln -s /usr/bin/python3 /usr/local/bin/python \
  && ln -s /usr/bin/python3 /usr/local/bin/python3
CMD ["python3"]
