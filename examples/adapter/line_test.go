package line_test

import (
	"testing"
	"time"

	"github.com/parley-net/parley/conformance"
	"github.com/parley-net/parley/core"

	"example.org/line"
)

var under = conformance.Transport{
	New:     func(testing.TB) core.Transport { return line.Transport{} },
	Timeout: time.Second,
}

func TestConformance(t *testing.T) { conformance.TestTransport(t, under) }

func BenchmarkConformance(b *testing.B) { conformance.BenchTransport(b, under) }
