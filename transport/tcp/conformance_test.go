package tcp_test

import (
	"testing"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"
	"github.com/parley-net/parley/transport/tcp"
)

const timeout = time.Second // of the adapters under test

// under hands the adapter to the suite.
var under = conformance.Transport{
	New:     func(testing.TB) core.Transport { return tcp.New(tcp.Config{IdleTimeout: timeout}) },
	Timeout: timeout,
}

func TestConformance(t *testing.T) { conformance.TestTransport(t, under) }

func BenchmarkConformance(b *testing.B) { conformance.BenchTransport(b, under) }
