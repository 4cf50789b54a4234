package conformance

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// A mutant is a broken Transport and the laws that must catch it.
type mutant struct {
	laws []string
	says string                             // what is wrong with it
	make func(tb testing.TB) core.Transport // fresh
	with func(h *Transport)                 // what else the laws need, if anything
}

func of(laws ...string) []string { return laws }

// mutants returns all of them.
func mutants() []mutant {
	return slices.Concat(leakMutants, dialMutants, listenMutants, sendMutants, recvMutants, sizeMutants, orderMutants, closeMutants,
		abilityMutants, statsMutants, concurrencyMutants, silenceMutants, networkMutants, strangerMutants)
}

// counting reports whether a law looks at the whole process, so that nothing may run beside
// it.
func counting(law string) bool {
	return strings.HasPrefix(law, "Leak/") || law == "Send/UnreliableFlood" || law == "Accept/StrangersCost"
}

// hurried are options under which a broken adapter is found out soon.
func (h Transport) hurried() (Transport, options) {
	h, o := h.options()
	o.wait = time.Second
	o.limit = 20 * time.Second
	return h, o
}

// TestMutants holds that each law fails for the adapters that break it. Most of the time
// is spent waiting for something that never comes, so many of them run at once.
func TestMutants(t *testing.T) {
	laws := transportLaws()
	type verdict struct {
		err  error
		took time.Duration
	}
	judge := func(l law[Transport], m mutant) verdict {
		h := Transport{New: m.make, Timeout: 100 * time.Millisecond}
		if m.with != nil {
			m.with(&h)
		}
		h, o := h.hurried()
		start := time.Now()
		err, _ := checkLaw(t, l, h, o)
		return verdict{err, time.Since(start)}
	}
	find := func(name string) law[Transport] {
		i := slices.IndexFunc(laws, func(l law[Transport]) bool { return l.name == name })
		if i < 0 {
			t.Fatalf("a mutant names the law %q, which does not exist", name)
		}
		return laws[i]
	}
	report := func(l law[Transport], m mutant, v verdict) {
		t.Run(l.name+"/"+strings.ReplaceAll(m.says, " ", "_"), func(t *testing.T) {
			var skipped *skipError
			switch {
			case v.err == nil:
				t.Errorf("an adapter that %s keeps the law %s: %s", m.says, l.name, l.says)
			case errors.As(v.err, &skipped):
				t.Errorf("an adapter that %s is not put to the law %s: %v", m.says, l.name, v.err)
			default:
				t.Logf("caught in %v: %v", v.took.Round(time.Millisecond), strings.SplitN(v.err.Error(), "\n", 2)[0])
			}
		})
	}
	type trial struct {
		l law[Transport]
		m mutant
		v verdict
	}
	var trials []*trial
	for _, m := range mutants() {
		for _, name := range m.laws {
			if l := find(name); counting(name) {
				report(l, m, judge(l, m))
			} else {
				trials = append(trials, &trial{l: l, m: m})
			}
		}
	}
	var g sync.WaitGroup
	places := make(chan struct{}, 12)
	for _, tr := range trials {
		places <- struct{}{}
		g.Go(func() {
			tr.v = judge(tr.l, tr.m)
			<-places
		})
	}
	g.Wait()
	for _, tr := range trials {
		report(tr.l, tr.m, tr.v)
	}
}

// TestMutantForEachLaw holds that there is a mutant for each law.
func TestMutantForEachLaw(t *testing.T) {
	for _, l := range transportLaws() {
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return slices.Contains(m.laws, l.name) }) {
			t.Errorf("no mutant breaks the law %s: %s", l.name, l.says)
		}
	}
}

// TestSound holds that what the mutants are made of keeps the laws while it is not
// broken.
func TestSound(t *testing.T) {
	TestTransport(t, Transport{
		New:     func(testing.TB) core.Transport { return newDouble() },
		Timeout: 100 * time.Millisecond,
	})
}
