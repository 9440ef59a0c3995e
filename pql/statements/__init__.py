"""What each kind of statement does: one function per class of the tree, in files by what they are about."""
