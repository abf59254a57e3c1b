"""The plot of the losses: there once it shows something, and given back to what was there before."""

import pytest


def seen():
    """The arrangement of the views, and the chart that they show."""
    import slicer

    from MR2USProPanels import sliceViews

    return slicer.app.layoutManager().layout, sliceViews.shownChart()


def plotted(chart):
    import slicer

    return slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView, chart


@pytest.fixture
def worker(registerPanel, registering):
    """The worker of a registration under way, as far as its losses go."""
    section = registerPanel.section("Register")

    def tell(fraction, stage="Register"):
        section._onEvent({"event": "progress", "stage": stage, "fraction": fraction})
        section._onEvent({"event": "values", "stage": stage, "figures": {"difference": 1.0 - fraction}})

    return tell


@pytest.fixture
def arranged(slicerApp):
    """An arrangement that somebody chose, with the chart of something else."""
    import slicer

    from MR2USProPanels import sliceViews

    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Course")
    sliceViews.arrange("ConventionalView")
    sliceViews.showChart(chart)
    return seen()


def chart_of(registerPanel):
    return registerPanel.section("Register")._live.plot.chart


def test_the_views_stay_until_there_is_something_to_plot(arranged, registerPanel, worker, registering, slicerApp):
    button, case = registerPanel.register.lossesButton, registerPanel.case
    slicerApp.process(0.05)
    worker(0.1)
    assert seen() == arranged
    assert not button.visible
    worker(0.2)
    assert seen() == plotted(chart_of(registerPanel))
    assert button.visible
    assert button.checked
    registering()
    assert seen() == arranged
    assert case.losses is not None
    assert button.visible
    assert not button.checked
    button.click()
    assert seen() == plotted(case.losses)
    button.click()
    assert seen() == arranged


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_a_run_without_result_leaves_the_views_as_they_were(arranged, registerPanel, worker, slicerApp, ending):
    section, runner = registerPanel.section("Register"), registerPanel.logic.runner
    worker(0.1)
    worker(0.2)
    assert seen() != arranged
    if ending == "failed":
        (runner.current.job.folder / "manifest.json").write_text("no manifest")
    else:
        runner.cancel()
    slicerApp.waitUntil(lambda: not runner.busy, 10)
    slicerApp.process(0.05)
    runner.current.remove()
    assert seen() == arranged
    assert section._losses() is None
    assert not registerPanel.register.lossesButton.visible


def test_what_was_chosen_during_the_run_stays(arranged, registerPanel, worker, registering):
    import slicer

    worker(0.1)
    worker(0.2)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    worker(0.3)
    registering()
    assert seen() == (slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView, arranged[1])


def test_losses_that_are_looked_at_go_on_to_be_those_of_the_next_run(arranged, registerPanel, worker, registering):
    button, case = registerPanel.register.lossesButton, registerPanel.case
    worker(0.1)
    worker(0.2)
    button.click()
    assert seen() == arranged
    button.click()  # wanted, and not only there for the time of the run
    registering()
    assert button.checked
    assert seen() == plotted(case.losses)
    slicer_removes(case.losses)
    registerPanel.app.process(0.05)
    assert not button.checked
    assert seen()[0] == arranged[0]


def test_the_plot_of_one_case_is_not_seen_in_another(arranged, registerPanel, worker, registering, slicerApp):
    from MR2USProPanels.case import newCase, setCurrentCase

    first = registerPanel.case
    worker(0.1)
    newCase("Another patient")
    registerPanel.widget.showCurrentCase()
    worker(0.2)
    assert seen() == arranged
    setCurrentCase(first)
    registerPanel.widget.showCurrentCase()
    worker(0.3)
    assert seen() == plotted(chart_of(registerPanel))
    registering()


def slicer_removes(node):
    import slicer

    slicer.mrmlScene.RemoveNode(node)
