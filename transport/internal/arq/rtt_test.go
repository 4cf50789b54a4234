package arq

import (
	"testing"
	"time"
)

// TestRTTSamples holds what an estimate makes of its samples.
func TestRTTSamples(t *testing.T) {
	r := newRTT(200 * ms)
	if r.smoothed != 200*ms || r.timeout(0, 0) != 600*ms {
		t.Errorf("before a sample: %v, timeout %v", r.smoothed, r.timeout(0, 0))
	}
	r.sample(0, 40*ms)
	if r.smoothed != 40*ms || r.deviation != 20*ms {
		t.Errorf("the first sample made %v±%v", r.smoothed, r.deviation)
	}
	for i := range 1000 {
		r.sample(time.Duration(i)*10*ms, 60*ms)
	}
	if (r.smoothed-60*ms).Abs() > ms || r.deviation > ms {
		t.Errorf("a thousand samples of 60 ms made %v±%v", r.smoothed, r.deviation)
	}
	r.restart()
	r.sample(time.Hour, 5*ms)
	if r.smoothed != 5*ms {
		t.Errorf("on a new path the first sample made %v", r.smoothed)
	}
	r.sample(time.Hour, -time.Second)
	r.sample(2*time.Hour, time.Hour)
	if r.smoothed < 0 || r.smoothed > maxSample || r.deviation < 0 || r.deviation > maxSample {
		t.Errorf("absurd samples made %v±%v", r.smoothed, r.deviation)
	}
}

// TestTimeout holds the floor, the backoff and its cap.
func TestTimeout(t *testing.T) {
	for _, c := range []struct {
		smoothed, deviation, delay time.Duration
		backoff                    int
		want                       time.Duration
	}{
		{0, 0, 0, 0, minTimeout},
		{50 * ms, 0, 10 * ms, 0, 61 * ms},
		{50 * ms, 10 * ms, 10 * ms, 0, 100 * ms},
		{50 * ms, 10 * ms, 10 * ms, 1, 200 * ms},
		{50 * ms, 10 * ms, 10 * ms, 3, 800 * ms},
		{50 * ms, 10 * ms, 10 * ms, 4, maxTimeout},
		{50 * ms, 10 * ms, 10 * ms, 1000, maxTimeout},
		{2 * time.Second, 100 * ms, 10 * ms, 1000, 2410 * ms},
	} {
		r := rtt{smoothed: c.smoothed, deviation: c.deviation}
		if got := r.timeout(c.delay, c.backoff); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestQueueing holds when a round trip counts as one with a queue in it: when it is
// longer than the shortest, of which is forgotten what is long ago.
func TestQueueing(t *testing.T) {
	r := newRTT(100 * ms)
	now := instant(0)
	steady := func(took, during time.Duration) {
		for until := now + during; now < until; now += 10 * ms {
			r.sample(now, took)
		}
	}
	for _, step := range []struct {
		took, during time.Duration
		queueing     bool
	}{
		{40 * ms, time.Second, false},
		{55 * ms, 2 * time.Second, false},
		{70 * ms, 2 * time.Second, true},
		{40 * ms, 2 * time.Second, false},
		{100 * ms, 2 * time.Second, true},
		{100 * ms, 2 * leastLife, false}, // the path is longer now
	} {
		if steady(step.took, step.during); r.queueing() != step.queueing {
			t.Errorf("after %v of %v: %v, with %+v", step.during, step.took, r.queueing(), r)
		}
	}
}
