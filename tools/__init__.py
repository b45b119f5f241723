"""What keeps the repository in order: set-up, pipeline consistency, plots without internet, the pull-request report.

Nothing here is a stage and no result depends on it: that is why it lies neither in ``stages`` nor in ``assay``.
"""
