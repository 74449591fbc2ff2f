# In the place of the official nginx: Debian's server, the same folders, and templates filled from the environment.
ARG DEBIAN
FROM ${DEBIAN}
RUN groupadd --system --gid 101 nginx && useradd --system --gid nginx --uid 101 --home-dir /var/cache/nginx --shell /bin/false nginx
RUN apt-get -qq update \
  && apt-get -qq install -y --no-install-recommends nginx gettext-base curl >/dev/null \
  && rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /etc/nginx/sites-enabled /etc/nginx/modules-enabled \
  && mkdir -p /etc/nginx/conf.d /etc/nginx/templates /docker-entrypoint.d /var/cache/nginx \
  && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
COPY nginx.conf /etc/nginx/nginx.conf
COPY nginx-default.conf /etc/nginx/conf.d/default.conf
COPY nginx-entrypoint /docker-entrypoint.sh
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
