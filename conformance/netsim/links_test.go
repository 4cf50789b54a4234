package netsim_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
)

// wantShare checks that hits of tries are as many as chance share allows: within five
// standard deviations. As seeds are fixed, so is the outcome.
func wantShare(t *testing.T, what string, hits, tries int, share float64) {
	t.Helper()
	got := float64(hits) / float64(tries)
	if bound := 5 * math.Sqrt(share*(1-share)/float64(tries)); math.Abs(got-share) > bound {
		t.Errorf("%s: the share is %.4f, want %.4f ± %.4f", what, got, share, bound)
	}
}

// burst sends packets numbered 0 to count-1, one every gap, from a to b, and returns
// what b gets.
func burst(t *testing.T, a, b *netsim.PacketConn, count int, gap time.Duration) []packet {
	t.Helper()
	b.SetReadBuffer(1 << 30)
	to := b.Public()
	send := func() {
		for i := range count {
			a.WriteToUDPAddrPort(strconv.AppendInt(nil, int64(100_000+i), 10), to)
			if gap > 0 {
				time.Sleep(gap)
			}
		}
	}
	if gap == 0 {
		send()
	} else {
		go send()
	}
	return drain(t, b, 10*time.Second)
}

// number returns the number of a packet of burst.
func number(p packet) int {
	i, _ := strconv.Atoi(p.data)
	return i - 100_000
}

func TestLossAndCopies(t *testing.T) {
	const count = 1000
	for _, tt := range []struct {
		loss, duplicate float64
		copies          int
	}{{0, 0, 0}, {0.01, 0, 0}, {0.33, 0, 0}, {1, 0, 0}, {0, 0.1, 0}, {0, 0.5, 1}, {0, 0.25, 5}, {0, 1, 3}, {0.25, 0.25, 0}} {
		lost, doubled, extra, sent := 0, 0, 0, 0
		for seed := range uint64(5) {
			synctest.Test(t, func(t *testing.T) {
				link := netsim.PacketLink{Link: netsim.Link{Loss: tt.loss}, Duplicate: tt.duplicate, Copies: tt.copies}
				n, a, b := openTwo(t, link, seed)
				seen := make([]int, count)
				for _, p := range burst(t, a, b, count, 0) {
					seen[number(p)]++
				}
				for _, times := range seen {
					if times == 0 {
						lost++
					} else if times > 1 {
						doubled++
						extra += times - 1
					}
					if times > 1+max(tt.copies, 1) {
						t.Errorf("a packet came %d times", times)
					}
				}
				sent += count
				c := n.Counters()
				if c.Sent+c.Duplicated != c.Delivered+c.Lost || c.Sent != count {
					t.Errorf("Counters = %+v", c)
				}
			})
		}
		wantShare(t, fmt.Sprintf("%+v lost", tt), lost, sent, tt.loss)
		wantShare(t, fmt.Sprintf("%+v doubled", tt), doubled, sent-lost, tt.duplicate)
		if doubled > 0 {
			mean, want := float64(extra)/float64(doubled), float64(1+max(tt.copies, 1))/2
			if math.Abs(mean-want) > 0.1 {
				t.Errorf("%+v: those that came again did so %.2f times, want %.2f", tt, mean, want)
			}
		}
	}
}

// Each copy has its own delay, up to CopyDelay later.
func TestReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b := openTwo(t, netsim.PacketLink{
			Link:      netsim.Link{Latency: 100 * ms, Jitter: 10 * ms},
			Duplicate: 1, Copies: 100, CopyDelay: time.Second,
		}, 1)
		write(t, a, b, "x")
		got := drain(t, b, 10*time.Second)
		if len(got) < 3 {
			t.Fatalf("%d copies arrived", len(got))
		}
		times := make(map[time.Duration]bool)
		for _, p := range got {
			if times[p.at] = true; p.at < 100*ms || p.at > 1110*ms {
				t.Errorf("a copy arrived after %v", p.at)
			}
		}
		if len(times) != len(got) || got[len(got)-1].at < 500*ms {
			t.Errorf("%d copies came at %d times, the last at %v", len(got), len(times), got[len(got)-1].at)
		}
	})
}

func TestPacketReorder(t *testing.T) {
	const count = 1000
	late, all := 0, 0
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: netsim.Link{Latency: 20 * ms, Reorder: 0.3, ReorderBy: 40 * ms}}, seed)
			for _, p := range burst(t, a, b, count, 10*ms) {
				switch took := p.at - time.Duration(number(p))*10*ms; took {
				case 20 * ms:
				case 60 * ms:
					late++
				default:
					t.Errorf("packet %d took %v", number(p), took)
				}
				all++
			}
		})
	}
	if all != 5*count {
		t.Errorf("%d packets arrived", all)
	}
	wantShare(t, "late", late, all, 0.3)
}

func TestProfiles(t *testing.T) {
	if names := netsim.Profiles(); !slices.Equal(names, []string{"lan", "wifi", "lte", "satellite", "awful"}) {
		t.Errorf("Profiles = %q", names)
	}
	best := time.Duration(0)
	for _, name := range netsim.Profiles() {
		link, err := netsim.Profile(strings.ToUpper(name))
		if err != nil {
			t.Fatal(err)
		}
		if mean := link.Latency + link.Jitter/2; mean <= best || link.Rate == 0 {
			t.Errorf("%s: the mean delay is %v, that of the one before %v", name, mean, best)
		} else {
			best = mean
		}
		synctest.Test(t, func(t *testing.T) {
			_, a, b := openTwo(t, netsim.PacketLink{Link: link}, 1)
			got := burst(t, a, b, 1000, time.Second/60)
			if len(got) < 900 {
				t.Errorf("%s: %d of 1000 packets arrived", name, len(got))
			}
			for _, p := range got {
				late := p.at - time.Duration(number(p))*(time.Second/60)
				if late < link.Latency || late > link.Latency+link.Jitter+link.ReorderBy+ms {
					t.Errorf("%s: packet %d took %v", name, number(p), late)
				}
			}
		})
	}
	if _, err := netsim.Profile("modem"); err == nil || !strings.Contains(err.Error(), "lan, wifi") {
		t.Errorf("Profile(modem): %v", err)
	}
}
