#!/usr/bin/env bash
# Compares the Go benchmarks of a commit with those of the work tree, and prints what benchstat makes of it:
#
#   internal/bench/compare.sh BASE [PACKAGE…]     default: the packages of the hot path
#
# The two take turns, so that what else the machine does hits both. COUNT (default 10) is the number of turns, BENCH
# (default .) which benchmarks run, BENCHTIME (default 100ms) for how long. What they wrote stays in bench.base.out and
# bench.head.out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

base=${1:?usage: compare.sh BASE [PACKAGE…]}
shift
packages=("$@")
((${#packages[@]} > 0)) || packages=(./metric ./internal/wire ./window ./impulse ./router ./connection ./actors)

work=$(mktemp -d "${TMPDIR:-/tmp}/komstream-compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
git clone --quiet --shared --no-checkout . "$work/base"
git -C "$work/base" checkout --quiet --detach "$(git rev-parse --verify "$base^{commit}")"

# Each package's tests are built once a side: only benchmarks run from then on. One that BASE lacks is left out there.
build() { # FOLDER NAME
	local package
	for package in "${packages[@]}"; do
		if [[ -d $1/$package ]]; then
			(cd "$1" && go test -c -o "$work/$2/${package//\//_}.test" "$package")
		fi
	done
}
mkdir "$work/old" "$work/new"
build "$work/base" old
build "$PWD" new

run() { # FOLDER NAME FILE
	local package binary
	for package in "${packages[@]}"; do
		binary=$work/$2/${package//\//_}.test
		if [[ -x $binary ]]; then
			(cd "$1/$package" && "$binary" -test.run '^$' -test.bench "${BENCH:-.}" -test.benchtime "${BENCHTIME:-100ms}" \
				-test.benchmem) >>"$3"
		fi
	done
}
: >bench.base.out
: >bench.head.out
for ((i = 1; i <= ${COUNT:-10}; i++)); do
	echo "turn $i" >&2
	run "$work/base" old "$PWD/bench.base.out"
	run "$PWD" new "$PWD/bench.head.out"
done
go tool -modfile=tools/go.mod benchstat "base=bench.base.out" "work=bench.head.out"
