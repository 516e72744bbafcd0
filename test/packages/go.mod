module github.com/rotatord/rotatord/test/packages

go 1.26.0

require github.com/rotatord/rotatord v0.0.0

replace github.com/rotatord/rotatord => ../..
