# An image of Parley: `docker build -t parley .`. docs/deploy.md has the rest; all work is in build.sh.
FROM debian:trixie-slim AS build
COPY . /src
RUN ["sh", "/src/docs/deploy/image/build.sh"]

# One layer, without the source and what only the build needed.
FROM scratch
COPY --from=build / /
ENV PATH=/opt/parley/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0
# By number, so that Kubernetes can see that it is not root. The user needs no name and no home.
USER 10001:10001
WORKDIR /
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 CMD ["parley", "health"]
ENTRYPOINT ["parley"]
CMD ["run"]
