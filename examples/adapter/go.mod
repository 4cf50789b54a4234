module example.org/line

go 1.26.0

require github.com/parley-net/parley v0.0.0

replace github.com/parley-net/parley => ../..
