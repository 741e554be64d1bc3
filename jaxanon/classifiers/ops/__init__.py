"""Operations of the classifiers, each in the form that suits backend and shape."""
