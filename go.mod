module github.com/parley-net/parley

go 1.26
