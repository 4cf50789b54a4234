package mem_test

import (
	"testing"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/mem"
)

// under hands the adapter to the suite. Nobody falls silent within a process, so
// there is nothing to notice and no Timeout to wait for.
var under = conformance.Transport{
	New:     func(testing.TB) core.Transport { return new(mem.Transport) },
	Timeout: 100 * time.Millisecond,
}

func TestConformance(t *testing.T) { conformance.TestTransport(t, under) }

func BenchmarkConformance(b *testing.B) { conformance.BenchTransport(b, under) }
