#!/bin/sh
# Makes the keys, the genesis and the settings of four validators, once: what is there is kept, so
# this can run before every start and after a crash of its own.

set -eu

folder=/var/lib/kraken
protocol="${PROTOCOL:-hotstuff}"

for id in 0 1 2 3; do
    own="${folder}/validator-${id}"
    # The validator writes key.toml.used beside its key.
    mkdir -p "${own}"
    if [ ! -e "${own}/key.toml" ]; then
        kraken key --out "${own}/key.toml" >/dev/null
    fi
    kraken key --show "${own}/key.toml" >"${own}/member.toml"
done

genesis="${folder}/genesis.toml"
if [ ! -e "${genesis}" ]; then
    kraken genesis --protocol "${protocol}" --out "${genesis}" \
        --member "${folder}/validator-0/member.toml" \
        --member "${folder}/validator-1/member.toml" \
        --member "${folder}/validator-2/member.toml" \
        --member "${folder}/validator-3/member.toml"
elif ! grep -qx "protocol = \"${protocol}\"" "${genesis}"; then
    printf 'error: the committee that is here does not order by %s; ' "${protocol}" >&2
    printf '"docker compose down --volumes" removes it and its chain\n' >&2
    exit 1
fi

for id in 0 1 2 3; do
    own="${folder}/validator-${id}"
    if [ ! -e "${own}/kraken.toml" ]; then
        kraken init --out "${own}/kraken.toml" --data-dir "${own}/data" \
            --genesis "${genesis}" --key "${own}/key.toml" \
            --peer validator-0 --peer validator-1 --peer validator-2 --peer validator-3
    fi
done
