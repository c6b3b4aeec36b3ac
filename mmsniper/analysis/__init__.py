"""What a data set needs: sizes of its objects, and the levels, ranges and chips that fit them."""
