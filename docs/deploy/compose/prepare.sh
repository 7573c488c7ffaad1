#!/bin/sh
# Makes what the compose files read, in the working directory: random passwords in secrets/, and parley.env for more
# settings. What is there stays, so it can run again.
set -eu
# Only the owner of the folder gets at the files. In the containers, other users read them: hence their mode.
[ -d secrets ] || mkdir -m 0700 secrets
umask 022

random() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

[ -s secrets/db_password ] || random >secrets/db_password

# The password of NATS is in two files: replace both by removing them.
if [ ! -s secrets/nats_url ] || [ ! -s secrets/nats.conf ]; then
    password=$(random)
    echo "nats://parley:$password@nats:4222" >secrets/nats_url
    cat >secrets/nats.conf <<END
listen: 0.0.0.0:4222
http: 127.0.0.1:8222
authorization {
  users: [
    { user: parley, password: "$password",
      permissions: { publish: "parley.>", subscribe: "parley.>" } }
  ]
}
END
fi

if [ ! -e parley.env ]; then
    (umask 077 && echo "# More settings of Parley, NAME=value, one a line: README.md has the table." >parley.env)
fi
