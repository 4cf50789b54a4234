package redis_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// program returns the path of a real Redis, without which the test is skipped.
func program(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Skip("NOT TESTED: there is no redis-server on this machine (Debian: apt-get install redis-server), so this ran over no real Redis")
	}
	return path
}

// server is a real Redis that a test starts and stops.
type server struct {
	path string
	port int
	args []string
	cmd  *exec.Cmd
}

// serve starts a Redis on a free port, which ends with the test.
func serve(tb testing.TB, args ...string) *server {
	tb.Helper()
	s := &server{path: program(tb), args: append(args, "--bind", "127.0.0.1", "--dir", tb.TempDir(), "--save", "")}
	tb.Cleanup(func() { s.kill(tb) })
	for try := 0; ; try++ {
		s.port = freePort(tb)
		err := s.run()
		if err == nil {
			return s
		}
		if try == 5 { // somebody else took the port each time
			tb.Fatal(err)
		}
	}
}

// freePort returns a port that was free, with one for a cluster's own traffic 10,000
// above it.
func freePort(tb testing.TB) int {
	tb.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		if port < 55536 {
			return port
		}
	}
}

// run starts the process, and returns when it takes connections.
func (s *server) run() error {
	s.cmd = exec.Command(s.path, append([]string{"--port", strconv.Itoa(s.port)}, s.args...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	s.cmd.Stderr = s.cmd.Stdout
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var log strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go io.Copy(io.Discard, out) // until the process ends
			return nil
		}
		fmt.Fprintln(&log, lines.Text())
	}
	err = s.cmd.Wait()
	s.cmd = nil
	return fmt.Errorf("redis-server did not start: %w\n%s", err, log.String())
}

// kill ends the process as kill -9 does.
func (s *server) kill(tb testing.TB) {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil {
		tb.Error(err)
	}
	_ = s.cmd.Wait() // says that it was killed
	s.cmd = nil
}

// restart starts it again, with what is on its disk.
func (s *server) restart(tb testing.TB) {
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *server) url() string  { return "redis://" + s.addr() }

// client returns a client of its own for the test.
func (s *server) client(tb testing.TB) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: s.addr(), ContextTimeoutEnabled: true})
	tb.Cleanup(func() { c.Close() })
	return c
}

// durable are the arguments with which an acknowledged write survives a kill -9.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// serveCluster starts a cluster of three and returns its nodes.
func serveCluster(tb testing.TB, args ...string) []*server {
	tb.Helper()
	const slots = 16384
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	nodes := make([]*server, 3)
	for i := range nodes {
		nodes[i] = serve(tb, append(args, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")...)
		c := nodes[i].client(tb)
		if err := c.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err(); err != nil {
			tb.Fatal(err)
		}
		if err := c.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			tb.Fatal(err)
		}
		if err := c.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(nodes[0].port)).Err(); err != nil {
			tb.Fatal(err)
		}
	}
	waitCluster(tb, nodes)
	return nodes
}

// waitCluster waits until every node takes part.
func waitCluster(tb testing.TB, nodes []*server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, n := range nodes {
		c := goredis.NewClient(&goredis.Options{Addr: n.addr(), ContextTimeoutEnabled: true})
		defer c.Close()
		for {
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3") {
				break
			}
			select { // nobody says when it does
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				tb.Fatalf("the cluster does not come up: %v\n%s", err, info)
			}
		}
	}
}

// clusterURL names all nodes.
func clusterURL(nodes []*server) string {
	url := nodes[0].url() + "?"
	for _, n := range nodes[1:] {
		url += "addr=" + n.addr() + "&"
	}
	return strings.TrimSuffix(url, "&")
}

// given is the URL of a Redis that the environment names, with a prefix of this run's own;
// empty if there is none.
func given() string {
	url := os.Getenv("PARLEY_TEST_REDIS")
	if url == "" {
		return ""
	}
	sep := "?"
	if strings.Contains(url, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%sprefix=parley-test-%d&expire=10m", url, sep, time.Now().UnixNano())
}
