package netsim_test

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// A corrupted packet always differs, in the way that was asked for.
func TestCorrupt(t *testing.T) {
	sent := map[string]string{
		"empty": "", "byte": "x", "text": strings.Repeat("abc", 30), "zeros": string(make([]byte, 50)),
	}
	ways := map[netsim.Corruption]func(was, is string) bool{
		netsim.FlipBit: func(was, is string) bool {
			return len(is) == len(was) && len(differing(was, is)) == 1 && onlyBit(was, is)
		},
		netsim.ChangeByte: func(was, is string) bool { return len(is) == len(was) && len(differing(was, is)) == 1 },
		netsim.ZeroTail: func(was, is string) bool {
			at := differing(was, is)[0]
			return len(is) == len(was) && (strings.Trim(is[at:], "\x00") == "" || onlyBit(was, is))
		},
		netsim.CutTail:    func(was, is string) bool { return len(is) < len(was) && strings.HasPrefix(was, is) },
		netsim.ExtendTail: func(was, is string) bool { return strings.HasPrefix(is, was) },
	}
	for way, ok := range ways {
		for name, was := range sent {
			synctest.Test(t, func(t *testing.T) {
				_, a, b := openTwo(t, netsim.PacketLink{Corrupt: 1, CorruptAs: way}, 1)
				seen := make(map[string]bool)
				for range 300 {
					write(t, a, b, was)
				}
				for _, p := range drain(t, b, time.Second) {
					if seen[p.data] = true; p.data == was || len(p.data) > len(was)+16 || was != "" && !ok(was, p.data) {
						t.Fatalf("way %d: %s %q became %q", way, name, was, p.data)
					}
				}
				if len(seen) < 2 && name != "byte" {
					t.Errorf("way %d: %s always became %v", way, name, seen)
				}
				if way == netsim.CutTail && len(seen) < len(was)*4/5 {
					t.Errorf("%s was cut to only %d lengths", name, len(seen))
				}
			})
		}
	}
}

func differing(a, b string) (at []int) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	return at
}

func onlyBit(a, b string) bool {
	at := differing(a, b)
	x := a[at[0]] ^ b[at[0]]
	return len(at) == 1 && x&(x-1) == 0
}

// Corrupt is a share, and without CorruptAs all ways take part alike.
func TestCorruptShare(t *testing.T) {
	const count = 8000
	synctest.Test(t, func(t *testing.T) {
		n, a, b := openTwo(t, netsim.PacketLink{Corrupt: 0.2}, 1)
		shorter, longer, altered := 0, 0, 0
		for i, p := range burst(t, a, b, count, 0) {
			switch was := strconv.Itoa(100_000 + i); {
			case len(p.data) < len(was):
				shorter++
			case len(p.data) > len(was):
				longer++
			case p.data != was:
				altered++
			}
		}
		wantShare(t, "shorter", shorter, count, 0.04)
		wantShare(t, "longer", longer, count, 0.04)
		wantShare(t, "altered", altered, count, 0.12)
		if c := n.Counters().Corrupted; int(c) != shorter+longer+altered {
			t.Errorf("%d were corrupted, and %d are", c, shorter+longer+altered)
		}
	})
}
